(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("js");

  // Theme: the system's, until the reader chooses.
  document.getElementById("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });

  // Texts at the pointer, and the series it rests on.
  const tooltip = document.getElementById("tooltip");
  const place = (event) => {
    const box = tooltip.getBoundingClientRect();
    const x = event.clientX + 14 + box.width > innerWidth ? event.clientX - 14 - box.width : event.clientX + 14;
    const y = Math.min(event.clientY + 14, innerHeight - box.height - 8);
    tooltip.style.left = `${Math.max(4, x)}px`;
    tooltip.style.top = `${Math.max(4, y)}px`;
  };
  for (const svg of document.querySelectorAll(".plot svg")) {
    svg.addEventListener("pointermove", (event) => {
      const tip = event.target.closest("[data-tip]");
      const series = event.target.closest("[data-series]");
      tooltip.hidden = !tip;
      if (tip) {
        tooltip.textContent = tip.dataset.tip;
        place(event);
      }
      svg.classList.toggle("focus", Boolean(series));
      if (series) {
        for (const other of svg.querySelectorAll("[data-series]")) {
          other.classList.toggle("on", other.dataset.series === series.dataset.series);
        }
      }
    });
    svg.addEventListener("pointerleave", () => {
      tooltip.hidden = true;
      svg.classList.remove("focus");
    });
  }

  // Tabs, with arrow keys.
  for (const tabs of document.querySelectorAll("[data-tabs]")) {
    const buttons = [...tabs.querySelectorAll('[role="tab"]')];
    const open = (button) => {
      for (const other of buttons) {
        const chosen = other === button;
        other.setAttribute("aria-selected", String(chosen));
        other.tabIndex = chosen ? 0 : -1;
        document.getElementById(other.getAttribute("aria-controls")).toggleAttribute("data-open", chosen);
      }
    };
    buttons.forEach((button, index) => {
      button.addEventListener("click", () => open(button));
      button.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (step) {
          const next = buttons[(index + step + buttons.length) % buttons.length];
          open(next);
          next.focus();
        }
      });
    });
  }

  // Tables sorted by the raw value of a column; what is missing stays at the end.
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => {
        const rising = head.getAttribute("aria-sort") !== "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", rising ? "ascending" : "descending");
        const numeric = head.classList.contains("num");
        const raw = (row) => row.cells[column].dataset.raw;
        const rows = [...table.tBodies[0].rows].sort((a, b) => {
          const [x, y] = [raw(a), raw(b)];
          if (x === "" || y === "") return (x === "") - (y === "");
          const order = numeric ? Number(x) - Number(y) : x.localeCompare(y);
          return rising ? order : -order;
        });
        table.tBodies[0].append(...rows);
      });
    });
  }

  // Where the reader is.
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.classList.remove("here");
      links.get(entry.target.id)?.classList.add("here");
    }
  }, { rootMargin: "0px 0px -70% 0px" });
  for (const id of links.keys()) {
    const target = document.getElementById(id);
    if (target) watcher.observe(target);
  }
})();
