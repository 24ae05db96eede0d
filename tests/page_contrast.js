// Contrast of every text of the page with what is behind it, from the styles in use: [{ratio, text, ink, behind, path}], each
// pair of colours once, lowest first. Folded parts are opened first. The window must be as high as the page.
() => {
  for (const one of document.querySelectorAll("details")) one.open = true;
  document.documentElement.classList.remove("js");
  for (const one of document.getAnimations()) one.finish();
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  canvas.canvas.width = canvas.canvas.height = 1;
  const known = new Map();
  const parse = (text) => {
    if (!known.has(text)) {
      canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = "#000"; canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
      known.set(text, [r, g, b, a / 255]);
    }
    return known.get(text);
  };
  const over = ([r, g, b, a], under) => [r, g, b].map((part, k) => part * a + under[k] * (1 - a));
  const light = (colour) => colour.map((part) => part / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)).reduce((sum, c, k) => sum + c * [0.2126, 0.7152, 0.0722][k], 0);
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const opacity = (one) => { let found = 1; for (let at = one; at; at = at.parentElement) found *= Number(getComputedStyle(at).opacity); return found; };
  const paper = getComputedStyle(document.documentElement).colorScheme.includes("dark") && matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
  const layers = [];
  const behindHtml = (one) => {
    const found = [];
    for (let at = one; at; at = at.parentElement) {
      const [r, g, b, a] = parse(getComputedStyle(at).backgroundColor);
      if (a > 0) found.push([r, g, b, a * opacity(at)]);
      if (a === 1) break;
    }
    return found.reduceRight((under, layer) => over(layer, under), paper);
  };
  const under = (one) => { const box = one.getBoundingClientRect(); return document.elementsFromPoint(box.left + box.width / 2, box.top + box.height / 2); };
  const behindSvg = (one) => {
    const svg = one.ownerSVGElement, found = [];
    let stack = under(one);
    if (!stack.includes(one)) { one.scrollIntoView({ block: "nearest", inline: "center" }); stack = under(one); }  // in a wide figure that scrolls
    for (const at of stack.slice(stack.indexOf(one) + 1)) {
      if (!svg.contains(at) || at === svg || at.matches("text, tspan, g")) continue;
      if (at.matches("image")) return null;  // Pixels, not a style: not told here.
      const style = getComputedStyle(at);
      if (style.fill === "none" || style.visibility === "hidden") continue;
      const [r, g, b, a] = parse(style.fill);
      found.push([r, g, b, a * Number(style.fillOpacity) * opacity(at)]);
    }
    return found.reduceRight((under, layer) => over(layer, under), behindHtml(svg));
  };
  const pairs = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const one = node.parentElement, text = node.textContent.trim();
    if (!text || one.closest("script, style, noscript, option, title, desc")) continue;
    const style = getComputedStyle(one), box = one.getBoundingClientRect();
    if (style.visibility === "hidden" || box.width === 0 || box.height === 0 || opacity(one) === 0) continue;
    const inSvg = one instanceof SVGElement;
    const behind = inSvg ? behindSvg(one) : behindHtml(one);
    if (!behind) continue;
    const [r, g, b, a] = parse(inSvg ? style.fill : style.color);
    const ink = over([r, g, b, a * opacity(one) * (inSvg ? Number(style.fillOpacity) : 1)], behind);
    const key = [...ink, ...behind].map(Math.round).join();
    if (!pairs.has(key)) pairs.set(key, { ratio: ratio(ink, behind), text: text.slice(0, 40), ink: ink.map(Math.round), behind: behind.map(Math.round), path: `${one.closest("[id]")?.id ?? ""} ${one.tagName} ${one.className.baseVal ?? one.className}` });
  }
  for (const one of document.querySelectorAll("select, input:not([type=range]), textarea")) {
    const behind = behindHtml(one), ink = over(parse(getComputedStyle(one).color), behind);
    pairs.set(`${[...ink, ...behind].map(Math.round).join()} ${one.tagName}`, { ratio: ratio(ink, behind), text: one.id, ink, behind, path: one.tagName });
  }
  return [...pairs.values()].sort((a, b) => a.ratio - b.ratio);
}
