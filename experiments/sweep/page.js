// The picture of a sweep: people choose axes, figure and policy; vega-lite draws.
(() => {
  const sweep = JSON.parse(document.getElementById("sweep").textContent);
  const form = document.getElementById("choices"), view = document.getElementById("view");
  const POLICY = "policy", NONE = "", ALL = "all";
  const axes = sweep.axes, keys = axes.map((axis) => axis.key);
  const axisOf = (key) => axes[keys.indexOf(key)];
  const policies = sweep.policies, several = policies.length > 1;
  const figureLabel = (name) => sweep.figures.find((figure) => figure.name === name).label;
  const firstX = (axes.find((axis) => axis.numeric && axis.values.length > 1) || axes[0] || { key: POLICY }).key;
  const choice = {
    kind: "lines", figure: sweep.figures.length ? sweep.figures[0].name : NONE, x: firstX,
    series: several ? POLICY : keys.find((key) => key !== firstX) || NONE,
    y: keys.find((key) => key !== firstX) || NONE, policy: several ? policies[policies.length - 1].name : policies[0].name,
  };
  const fixed = Object.fromEntries(axes.map((axis) => [axis.key, axis.values[0]]));
  let drawn = 0;

  const shown = (value) => (typeof value === "number" ? String(Number(value.toPrecision(6))) : value);
  function select(id, text, options, value, change) {
    const label = document.createElement("label"), box = document.createElement("select");
    label.textContent = text;
    box.id = id;
    options.forEach(([key, name], place) => {
      const option = document.createElement("option");
      option.value = place; option.textContent = name; option.selected = key === value;
      box.append(option);
    });
    box.addEventListener("change", () => { change(options[box.value][0]); draw(); });
    label.append(box); form.append(label);
  }

  function controls() {
    const focus = document.activeElement && document.activeElement.id;
    form.replaceChildren();
    const others = (taken) => keys.filter((key) => !taken.includes(key)).map((key) => [key, key]);
    if (keys.length > 1) select("kind", "picture", [["lines", sweep.random ? "points" : "lines"], ["map", "heat map"]], choice.kind, (k) => (choice.kind = k));
    select("figure", "figure", sweep.figures.map((figure) => [figure.name, figure.label]), choice.figure, (f) => (choice.figure = f));
    if (keys.length) select("x", "across", keys.map((key) => [key, key]), choice.x, (key) => {
      if (choice.y === key) choice.y = choice.x;
      if (choice.series === key) choice.series = several ? POLICY : NONE;
      choice.x = key;
    });
    if (choice.kind === "map") select("y", "up", others([choice.x]), choice.y, (key) => (choice.y = key));
    else select("series", "colour", [...(several ? [[POLICY, "policy"]] : []), ...others([choice.x]), [NONE, "none"]], choice.series, (key) => (choice.series = key));
    if (several && (choice.kind === "map" || choice.series !== POLICY))
      select("policy", "policy", policies.map((policy) => [policy.name, policy.label]), choice.policy, (name) => (choice.policy = name));
    if (!sweep.random) for (const axis of axes) if (!used().includes(axis.key) && axis.values.length > 1)
      select(`fixed-${axis.key}`, `at ${axis.key}`, axis.values.map((value) => [value, shown(value)]), fixed[axis.key], (value) => (fixed[axis.key] = value));
    if (focus && document.getElementById(focus)) document.getElementById(focus).focus();
  }

  const used = () => (choice.kind === "map" ? [choice.x, choice.y] : [choice.x, choice.series]);

  function rows() {
    const found = [];
    const byPolicy = choice.kind === "lines" && (choice.series === POLICY || choice.x === POLICY);
    for (const policy of byPolicy ? policies : policies.filter((each) => each.name === choice.policy))
      sweep.cells.forEach((cell, place) => {
        const stands = sweep.random || axes.every((axis, k) => used().includes(axis.key) || cell[k] === fixed[axis.key]);
        const of = sweep.estimates[policy.name][choice.figure] && sweep.estimates[policy.name][choice.figure][place];
        if (!stands || !of) return;
        const [mean, low, high, n] = of, value = (key) => (key === POLICY ? policy.label : cell[keys.indexOf(key)]);
        found.push({ x: value(choice.x), y: choice.y ? value(choice.y) : "", s: choice.series ? shown(value(choice.series)) : "",
          mean, low, high, n, cell: keys.map((key, k) => `${key}=${shown(cell[k])}`).join(", "), policy: policy.label });
      });
    return found;
  }

  function channel(field, key, discrete) {
    const axis = axisOf(key), numeric = axis && axis.numeric && !discrete;
    return { field, type: numeric ? "quantitative" : "ordinal", title: key, sort: axis && !axis.numeric ? axis.values.map(shown) : "ascending",
      scale: numeric ? { zero: false, nice: true } : {}, axis: numeric ? { labelFlush: false, labelOverlap: true, ...(!sweep.random && axis.values.length <= 12 ? { values: axis.values } : {}) } : { labelAngle: field === "x" && axis && axis.values.some((v) => shown(v).length > 6) ? -35 : 0 } };
  }

  const tooltip = () => [{ field: "cell", title: "cell" }, { field: "policy" }, { field: "mean", title: "mean", format: ".5g" },
    ...(sweep.seeds > 1 ? [{ field: "low", title: "95 % from", format: ".5g" }, { field: "high", title: "95 % to", format: ".5g" }] : []), { field: "n", title: "seeds" }];

  function lines() {
    const title = figureLabel(choice.figure), x = choice.x === POLICY ? { field: "x", type: "nominal", title: "policy" } : channel("x", choice.x, false);
    const order = choice.series === POLICY ? policies.map((p) => p.label) : choice.series ? axisOf(choice.series).values.map(shown) : [""];
    const many = order.length > 12;
    const scale = choice.series === POLICY ? { domain: order, range: policies.map((p) => p.colour) }
      : !choice.series ? { range: [policies.find((p) => p.name === choice.policy).colour] } : { domain: order, scheme: many || axisOf(choice.series).numeric ? "viridis" : "tableau10" };
    const color = { field: "s", type: "nominal", scale, sort: order, title: choice.series || null, legend: choice.series && !many ? { symbolOpacity: 1, symbolType: "circle" } : null };
    const y = { field: "mean", type: "quantitative", title, scale: { zero: false } };
    const band = sweep.seeds > 1, joined = !sweep.random && x.type === "quantitative";
    const marks = { mark: { type: "point", filled: true, size: 46 }, encoding: { x, y, color, tooltip: tooltip() } };
    if (!joined) return { layer: [...(band ? [{ mark: { type: "rule", opacity: 0.6, strokeWidth: 2 }, encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" }, color } }] : []), marks] };
    return { layer: [...(band ? [{ mark: { type: "area", opacity: 0.18 }, encoding: { x, y: { ...y, field: "low", stack: null }, y2: { field: "high" }, color } }] : []),
      { mark: { type: "line", strokeWidth: 2 }, encoding: { x, y, color } }, marks] };
  }

  function map() {
    const color = { field: "mean", type: "quantitative", title: figureLabel(choice.figure), scale: { scheme: "viridis", zero: false }, legend: { titleLimit: 260 } };
    const x = channel("x", choice.x, !sweep.random), y = channel("y", choice.y, !sweep.random);
    if (axisOf(choice.y).numeric) y.sort = "descending";
    if (sweep.random) y.sort = undefined;
    return { mark: sweep.random ? { type: "circle", size: 110, opacity: 0.9 } : { type: "rect", tooltip: true }, encoding: { x, y, color, tooltip: tooltip() } };
  }

  function draw() {
    controls();
    const style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(name).trim();
    const narrow = view.clientWidth < 560, ink = colour("--ink"), muted = colour("--muted"), rule = colour("--rule");
    const data = rows();
    const spec = {
      $schema: "https://vega.github.io/schema/vega-lite/v6.json", width: "container", height: narrow ? 300 : 420, autosize: { type: "fit-x", contains: "padding" },
      background: "transparent", data: { values: data }, ...(choice.kind === "map" ? map() : lines()),
      config: { font: "system-ui, sans-serif", view: { stroke: null }, axis: { labelColor: muted, titleColor: ink, gridColor: rule, domainColor: rule, tickColor: rule, labelFontSize: 12, titleFontSize: 13, titleFontWeight: "normal", labelLimit: 140 },
        legend: { labelColor: muted, titleColor: ink, orient: narrow || choice.kind === "map" ? "top" : "right", labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal", columns: narrow ? 2 : undefined, gradientLength: narrow ? 220 : 320 } },
    };
    const at = sweep.random ? [] : axes.filter((axis) => !used().includes(axis.key) && axis.values.length > 1).map((axis) => `${axis.key} = ${shown(fixed[axis.key])}`);
    document.getElementById("caption").textContent = !data.length ? "No run of these has this figure." :
      [`Mean over ${sweep.seeds} ${sweep.seeds === 1 ? "seed, no interval" : "paired seeds; band or bar: 95 % interval of the mean (Student's t)"}`,
        ...(at.length ? [`at ${at.join(", ")}`] : []), "point at a mark for its figures"].join("; ") + ".";
    const number = ++drawn;
    vegaEmbed(view, spec, { actions: { export: true, source: false, compiled: false, editor: false }, renderer: data.length > 3000 ? "canvas" : "svg", downloadFileName: `${sweep.name}-${choice.figure}` })
      .then(() => { if (number === drawn) view.dataset.drawn = String(number); });
  }

  if (!sweep.figures.length) { document.getElementById("caption").textContent = "No run came to its end."; return; }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  let width = view.clientWidth;
  addEventListener("resize", () => { if ((width < 560) !== (view.clientWidth < 560)) { width = view.clientWidth; draw(); } });
  draw();
})();
