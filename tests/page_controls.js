// Uses every control of the page once and tells what each one did: [{path, kind, did}].
async () => {
  const CONTROLS = "button, a[href], select, input, textarea, summary, [role=button], [role=tab], [role=switch], [role=checkbox], [role=slider], [role=menuitem], [contenteditable], [onclick], [data-tip]";
  const path = (one) => {
    const parts = [];
    for (let at = one; at && at !== document.documentElement; at = at.parentElement) {
      const alike = [...(at.parentElement?.children ?? [])].filter((other) => other.tagName === at.tagName);
      parts.unshift(`${at.tagName.toLowerCase()}${at.id ? `#${at.id}` : `:${alike.indexOf(at)}`}`);
      if (at.id) break;
    }
    return parts.join(" > ");
  };
  let changes = 0;
  const watcher = new MutationObserver((records) => { changes += records.length; });
  watcher.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  const frame = () => new Promise((done) => setTimeout(done, 0));
  const changed = async (act) => {
    await frame(); changes = 0;
    act();
    for (let tries = 0; tries < 400 && changes === 0; tries += 1) await new Promise((done) => setTimeout(done, 5));
    return changes > 0;
  };
  const tell = (one, ...events) => events.forEach((name) => one.dispatchEvent(new Event(name, { bubbles: true })));
  const use = async (one) => {
    const kind = one.matches("input") ? `input ${one.type}` : one.tagName.toLowerCase();
    if (one.dataset.tip !== undefined) {
      const text = one.dataset.tip;
      one.dispatchEvent(new PointerEvent("pointermove", { bubbles: true, clientX: 5, clientY: 5 }));
      const tooltip = document.getElementById("tooltip");
      const shown = Boolean(tooltip) && !tooltip.hidden && tooltip.textContent === text;
      one.ownerSVGElement.dispatchEvent(new PointerEvent("pointerleave"));
      return [`tip of ${kind}`, shown && tooltip.hidden];
    }
    if (kind === "a" && one.hasAttribute("download")) {
      one.dispatchEvent(new MouseEvent("mousedown", { bubbles: true }));
      for (let tries = 0; tries < 400 && !/^(data|blob):/.test(one.href); tries += 1) await new Promise((done) => setTimeout(done, 5));
      return ["a download", /^(data|blob):/.test(one.href)];
    }
    if (kind === "a" && one.getAttribute("href").startsWith("#")) {
      one.click(); await frame();
      const aim = document.getElementById(decodeURIComponent(one.hash.slice(1)));
      return ["a within", Boolean(aim) && location.hash === one.hash];
    }
    if (kind === "a") return ["a away", one.getAttribute("href") !== ""];
    if (kind === "select") {
      let did = one.options.length > 0;
      const first = one.selectedIndex;
      for (const at of [...one.options].map((_, at) => at).filter((at) => at !== first).concat(first)) {
        if (one.options.length < 2) break;
        did = await changed(() => { one.selectedIndex = at; tell(one, "input", "change"); }) && did;
      }
      return [kind, did];
    }
    if (kind === "input range") {
      let did = true;
      const [low, high] = [Number(one.min), Number(one.max)];
      for (const value of [high, low, Math.round((low + high) / 2)]) did = (await changed(() => { one.value = String(value); tell(one, "input", "change"); })) && did;
      return [kind, did];
    }
    if (["button", "summary", "input checkbox", "input radio"].includes(kind) || one.hasAttribute("role")) return [kind, await changed(() => one.click())];
    return [kind, false];  // A kind that nobody has taught this file.
  };
  const used = new Map(), tips = new Map();
  for (;;) {
    const next = [...document.querySelectorAll(CONTROLS)].find((one) => {
      if (used.has(path(one))) return false;
      if (one.dataset.tip === undefined) return true;
      const seen = tips.get(one.ownerSVGElement) ?? 0;  // Of hundreds of tips in a picture, a few.
      if (seen >= 3) return false;
      tips.set(one.ownerSVGElement, seen + 1);
      return true;
    });
    if (!next) break;
    const name = path(next);
    used.set(name, null);
    const [kind, did] = await use(next);
    used.set(name, { path: name, kind, did, text: (next.textContent || "").trim().slice(0, 40) });
  }
  watcher.disconnect();
  return [...used.values()];
}
