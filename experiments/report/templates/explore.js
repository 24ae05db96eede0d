// Pictures that people steer: policy, seed, node, figure, a brush over time, and a slider over the slots of flows.
(() => {
  "use strict";
  const place = document.getElementById("explored");
  if (!place) return;
  const told = JSON.parse(place.textContent), ALL = "all", WHOLE = -1;
  const form = document.getElementById("explore-choices"), slider = document.getElementById("explore-slot");
  const series = document.getElementById("explore-series"), flows = document.getElementById("explore-flows");
  const said = document.getElementById("explore-slot-text");
  const seeds = [...new Set(told.runs.map((run) => run.seed))];
  const choice = { figure: told.figures[0].name, policy: told.policies.length > 1 ? ALL : told.policies[0].name, seed: seeds[0], group: ALL, flow: told.flows[0].name };
  let slot = WHOLE, drawnSeries = 0, drawnFlows = 0;

  function select(id, text, options) {
    const label = document.createElement("label"), box = document.createElement("select");
    label.textContent = text;
    box.id = `explore-${id}`;
    for (const [value, name] of options) {
      const option = document.createElement("option");
      option.value = value; option.textContent = name; option.selected = value === choice[id];
      box.append(option);
    }
    box.addEventListener("change", () => {
      choice[id] = options.find(([value]) => String(value) === box.value)[0];
      drawSeries(); drawFlows();
    });
    label.append(box); form.append(label);
  }
  select("figure", "figure", told.figures.map((each) => [each.name, each.label]));
  if (told.policies.length > 1) select("policy", "policy", [[ALL, "all, the fleet together"], ...told.policies.map((each) => [each.name, each.label])]);
  if (seeds.length > 1) select("seed", "seed", seeds.map((seed) => [seed, String(seed)]));
  select("group", told.kind, [[ALL, `every ${told.kind}`], ...told.groups.map((name) => [name, name])]);
  select("flow", "flows", told.flows.map((each) => [each.name, each.label]));

  const runOf = (policy) => told.runs.find((run) => run.policy === policy && run.seed === choice.seed);
  const figure = () => told.figures.find((each) => each.name === choice.figure);
  const label = (policy) => told.policies.find((each) => each.name === policy).label;

  function together(rows, how) {
    return told.slots.map((_, at) => {
      const known = rows.map((row) => row[at]).filter((value) => value !== null && value !== undefined);
      const sum = known.reduce((total, value) => total + value, 0);
      return known.length ? (how === "mean" ? sum / known.length : sum) : null;
    });
  }

  function seriesRows() {
    const found = [];
    const add = (name, values) => values.forEach((value, at) => found.push({ time: told.times[at], slot: told.slots[at], stage: told.stages[at], name, value }));
    const places = choice.group === ALL ? told.groups.map((_, at) => at) : [told.groups.indexOf(choice.group)];
    for (const policy of choice.policy === ALL ? told.policies.map((each) => each.name) : [choice.policy]) {
      const run = runOf(policy);
      if (!run) continue;
      const rows = places.map((at) => run.series[choice.figure][at]);
      if (choice.policy === ALL) add(label(policy), together(rows, figure().together));
      else places.forEach((at, k) => add(told.groups[at], rows[k]));
    }
    return found;
  }

  function colours() {
    const css = getComputedStyle(document.documentElement), colour = (name) => css.getPropertyValue(name).trim();
    const muted = colour("--muted"), ink = colour("--ink"), rule = colour("--rule");
    return { font: "system-ui, sans-serif", background: "transparent", view: { stroke: null },
      axis: { labelColor: muted, titleColor: ink, gridColor: rule, domainColor: rule, tickColor: rule, labelFontSize: 12, titleFontSize: 13, titleFontWeight: "normal", labelLimit: 130 },
      legend: { labelColor: muted, titleColor: ink, labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal" } };
  }
  const embed = (view, spec, name, done) => vegaEmbed(view, { $schema: "https://vega.github.io/schema/vega-lite/v6.json", ...spec, config: colours() },
    { actions: { export: true, source: false, compiled: false, editor: false }, renderer: "svg", downloadFileName: name }).then(done);

  function drawSeries() {
    const narrow = series.clientWidth < 560, width = Math.max(200, series.clientWidth - (narrow ? 80 : 230));
    const byPolicy = choice.policy === ALL, names = byPolicy ? told.policies.map((each) => each.label) : choice.group === ALL ? told.groups : [choice.group];
    const scale = byPolicy ? { domain: names, range: told.policies.map((each) => each.colour) } : names.length === 1 ? { domain: names, range: [told.policies.find((each) => each.name === choice.policy).colour] } : { domain: names, scheme: names.length > 10 ? "viridis" : "tableau10" };
    const color = { field: "name", type: "nominal", scale, title: null }, legend = names.length > 1 ? { orient: narrow ? "top" : "right", columns: narrow ? 2 : 1, symbolLimit: 44 } : null;
    const hours = { labelExpr: "utcFormat(datum.value, utchours(datum.value) == 0 && utcminutes(datum.value) == 0 ? '%d %b' : '%H:%M')" };
    const x = { field: "time", type: "temporal", title: null, scale: { type: "utc" }, axis: hours };
    const y = { field: "value", type: "quantitative", title: figure().label };
    const tooltip = [{ field: "name", title: byPolicy ? "policy" : told.kind }, { field: "slot" }, { field: "stage" }, { field: "time", type: "temporal", format: "%d %b %H:%M", scale: { type: "utc" } }, { field: "value", title: figure().label, format: ".4g" }];
    const number = ++drawnSeries;
    embed(series, { data: { values: seriesRows() }, vconcat: [
      { width, height: narrow ? 220 : 280, layer: [
        { mark: { type: "line", interpolate: "step-after", strokeWidth: 1.8, clip: true }, encoding: { x: { ...x, scale: { type: "utc", domain: { param: "brush" } } }, y, color: { ...color, legend } } },
        { mark: { type: "point", filled: true, size: 30, clip: true }, encoding: { x: { ...x, scale: { type: "utc", domain: { param: "brush" } } }, y, color: { ...color, legend }, tooltip } } ] },
      { width, height: 46, params: [{ name: "brush", select: { type: "interval", encodings: ["x"] } }], mark: { type: "line", interpolate: "step-after", strokeWidth: 1 },
        encoding: { x: { ...x, title: "drag here to see a part of the time; click to see all" }, y: { field: "value", type: "quantitative", title: null, axis: null }, color: { ...color, legend } } } ] },
      `series-${choice.figure}`, () => { if (number === drawnSeries) series.dataset.drawn = String(number); });
  }

  function flowRows() {
    const policy = choice.policy === ALL ? told.focus : choice.policy, run = runOf(policy), sums = new Map();
    for (const [at, from, to, amount] of run ? run.flows[choice.flow] : []) if (slot === WHOLE || at === slot) {
      const key = `${from} ${to}`;
      sums.set(key, (sums.get(key) || 0) + amount);
    }
    return [policy, [...sums].map(([key, amount]) => { const [from, to] = key.split(" "); return { from: told.groups[from], to: told.groups[to], amount }; })];
  }

  function drawFlows() {
    const [policy, rows] = flowRows(), of = told.flows.find((each) => each.name === choice.flow).label;
    const at = told.slots.indexOf(slot), narrow = flows.clientWidth < 560;
    said.textContent = (slot === WHOLE ? "whole run" : `slot ${slot}, ${told.times[at].slice(0, 16).replace("T", " ")} UTC, ${told.stages[at]}`) + `; ${label(policy)}, seed ${choice.seed}` + (rows.length ? "" : ": nothing moved");
    const number = ++drawnFlows, side = Math.min(Math.max(200, flows.clientWidth - (narrow ? 130 : 260)), Math.max(220, 26 * told.groups.length));
    embed(flows, { data: { values: rows }, width: side, height: Math.min(side, 520), mark: { type: "rect", tooltip: true },
      encoding: { x: { field: "to", type: "nominal", sort: told.groups, scale: { domain: told.groups }, title: "takes", axis: { labelAngle: -60 } },
        y: { field: "from", type: "nominal", sort: told.groups, scale: { domain: told.groups }, title: "gives" },
        color: { field: "amount", type: "quantitative", title: of, scale: { scheme: choice.flow === "energy" ? "greens" : "blues", ...(rows.length ? { domainMin: 0 } : { domain: [0, 1] }) }, legend: { orient: narrow ? "top" : "right" } },
        tooltip: [{ field: "from", title: "gives" }, { field: "to", title: "takes" }, { field: "amount", title: of, format: ".4g" }] } },
      `flows-${choice.flow}`, () => { if (number === drawnFlows) flows.dataset.drawn = String(number); });
  }

  slider.min = "0"; slider.max = String(told.slots.length); slider.value = "0";
  slider.addEventListener("input", () => { slot = Number(slider.value) === 0 ? WHOLE : told.slots[Number(slider.value) - 1]; drawFlows(); });
  document.getElementById("theme").addEventListener("click", () => setTimeout(() => { drawSeries(); drawFlows(); }, 0));
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; drawSeries(); drawFlows(); } });
  drawSeries(); drawFlows();
})();
