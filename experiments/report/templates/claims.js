// Statements of one verdict at a time.
(() => {
  "use strict";
  const buttons = [...document.querySelectorAll(".judged .shown button")];
  for (const button of buttons) {
    button.addEventListener("click", () => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      const wanted = button.dataset.show;
      for (const one of document.querySelectorAll(".statement")) one.hidden = wanted !== "all" && one.dataset.verdict !== wanted;
      for (const group of document.querySelectorAll(".part")) group.hidden = !group.querySelector(".statement:not([hidden])");
    });
  }
})();
