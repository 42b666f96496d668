/* SPDX-License-Identifier: MPL-2.0 */
/* Fills the page of --output html from the data that stands in it. Texts come from the system under
 * test: they only ever become text nodes and attributes, never markup. Cells that show a number have
 * it, unrounded, as data-value, under data-key. */
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const run = data.summary;
  const main = document.querySelector("main");

  /* ---- numbers and texts ---- */

  const three = (value) => {
    const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
    return value.toFixed(digits);
  };
  const usec = (value) => {
    if (value >= 999500) return three(value / 1e6) + " s";
    if (value >= 999.5) return three(value / 1e3) + " ms";
    return Math.round(value) + " µs";
  };
  const grouped = (value) => String(value).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
  const count = (value) => grouped(Math.round(value));
  const rate = (value) => (value >= 100 ? count(value) : three(value));
  const bytes = (value) => {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let i = 0;
    while (value >= 1024 && i + 1 < units.length) {
      value /= 1024;
      i++;
    }
    return (i > 0 ? three(value) : String(value)) + " " + units[i];
  };
  const seconds = (value) => {
    const whole = Math.floor(value);
    const pad = (n) => String(n).padStart(2, "0");
    if (value < 60) return (Number.isInteger(value) ? value : three(value)) + " s";
    const h = Math.floor(whole / 3600), m = Math.floor((whole % 3600) / 60), s = whole % 60;
    return h > 0 ? `${h}:${pad(m)}:${pad(s)} h` : `${m}:${pad(s)} min`;
  };
  /* Cut and not rounded: only all is 100 %, and only nothing is 0 %. */
  const share = (value) => {
    if (value >= 1 || value <= 0) return value >= 1 ? "100 %" : "0 %";
    return value < 0.001 ? "<0.1 %" : (Math.floor(value * 1000) / 10).toFixed(1) + " %";
  };
  /* What a reader can't see, or what turns around what stands beside it. */
  const visible = (text) =>
    text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069]/g,
      (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));

  /* ---- elements ---- */

  const make = (tag, attributes, ...children) => {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
    for (const child of children.flat()) {
      if (child === null || child === undefined) continue;
      element.append(child instanceof Node ? child : document.createTextNode(visible(String(child))));
    }
    return element;
  };
  /* A path may go on in the next line behind a slash. */
  const path = (text) => text.split(/(?<=[/?&])/).flatMap((part) => [part, make("wbr")]);
  const number = (tag, key, value, form, classes) => {
    const known = value !== undefined && value !== null;
    return make(tag, { class: classes, "data-key": key, "data-value": known ? value : "" },
      known ? form(value) : "–");
  };
  const cell = (key, value, form) => number("td", key, value, form, "number");
  const section = (title, note, ...children) =>
    make("section", {}, make("div", { class: "head" }, make("h2", {}, title),
      note ? make("span", { class: "note" }, note) : null), ...children);
  const table = (id, heads, rows) =>
    make("div", { class: "scroll" }, make("table", { id },
      make("thead", {}, make("tr", {}, heads.map((head) =>
        make("th", head.startsWith(">") ? { class: "number" } : {}, head.replace(/^>/, ""))))),
      make("tbody", {}, rows)));

  /* ---- the head ---- */

  const outcomes = {
    passed: "passed", failed: "failed", aborted: "given up", interrupted: "interrupted",
    lost: "agents were lost",
  };
  const date = (text) => new Date(text).toLocaleString(undefined,
    { dateStyle: "medium", timeStyle: "medium" });

  const head = () => make("header", {},
    make("h1", {}, data.title),
    make("div", { class: "facts" },
      make("span", { class: "badge " + (run.outcome || ""), "data-key": "outcome",
        "data-value": run.outcome || "" }, outcomes[run.outcome] || run.outcome || "still on"),
      run.started ? make("span", {}, date(run.started)) : null,
      number("span", "duration_usec", run.duration_usec, (v) => seconds(v / 1e6), ""),
      run.options.project_name ? make("span", {}, run.options.project_name) : null,
      (run.options.tags || []).map((tag) => make("span", { class: "mono" }, tag)),
      make("span", { class: "mono" }, run.run_id)),
    run.trouble ? make("div", { class: "trouble" }, run.trouble) : null);

  const card = (label, key, value, form, bad) =>
    make("div", { class: bad ? "card bad" : "card" }, make("div", { class: "label" }, label),
      number("div", key, value, form, "value"));

  const cards = () => {
    const latency = run.latency || {}, i = run.iterations;
    return make("div", { class: "cards" },
      card("Hits", "hits", run.hits, count),
      card("Hits per second", "hits_per_sec", run.hits_per_sec, rate),
      card("Half within", "p50_usec", latency.p50_usec, usec),
      card("95 % within", "p95_usec", latency.p95_usec, usec),
      card("99 % within", "p99_usec", latency.p99_usec, usec),
      card("Longest", "max_usec", latency.max_usec, usec),
      card("Successes", "successes", i.successes, count),
      card("Failures", "failures", i.failures, count, i.failures > 0),
      card("Errors", "errors", i.errors, count, i.errors > 0),
      card("No answer", "request_errors", run.request_errors, count, run.request_errors > 0),
      card("Sent", "sent_bytes", run.sent_bytes, bytes),
      card("Received", "received_bytes", run.received_bytes, bytes));
  };

  /* ---- charts ---- */

  const charts = []; /* each redraws itself: its colours are the page's */
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const clock = (value) => {
    const s = Math.round(value), pad = (n) => String(n).padStart(2, "0");
    const h = Math.floor(s / 3600), m = Math.floor((s % 3600) / 60);
    return h > 0 ? `${h}:${pad(m)}:${pad(s % 60)}` : `${m}:${pad(s % 60)}`;
  };
  const short = (value) => {
    if (value >= 1e9) return value / 1e9 + " G";
    if (value >= 1e6) return value / 1e6 + " M";
    if (value >= 1e4) return value / 1e3 + " k";
    return String(value);
  };
  const axis = (extra) => Object.assign({
    stroke: colour("--muted"), font: "12px system-ui, sans-serif",
    grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 },
  }, extra);

  const draw = (place, build) => {
    const chart = { place, plot: null };
    chart.draw = () => {
      if (chart.plot) chart.plot.destroy();
      const { options, values } = build();
      options.width = Math.max(place.clientWidth, 200);
      options.height = 230;
      chart.plot = new uPlot(options, values, place);
    };
    chart.fit = () => {
      const width = Math.max(place.clientWidth, 200);
      if (chart.plot && chart.plot.width !== width) chart.plot.setSize({ width, height: 230 });
    };
    charts.push(chart);
  };

  const whole = [1, 2, 5].flatMap((n) => [...Array(15).keys()].map((e) => n * 10 ** e)).sort((a, b) => a - b);
  const times = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400];
  const together = uPlot.sync("time");
  const time = data.timeline;
  const over = (id, title, note, series, form) => {
    if (!series.some((one) => one.values.some((value) => value > 0))) {
      return section(title, note, make("p", { class: "none", id }, "There were none."));
    }
    const place = make("div", { class: "chart", id });
    const dots = time.second.length <= 60;
    draw(place, () => ({
      options: {
        cursor: { sync: { key: together.key }, y: false, points: { size: 7 } },
        scales: {
          x: { time: false, range: (u, low, high) => low === high ? [low - 1, high + 1] : [low, high] },
          y: { range: (u, low, high) => [0, high > 0 ? high * 1.08 : 1] },
        },
        axes: [
          axis({ size: 32, incrs: times, values: (u, ticks) => ticks.map((t) => t === null || t < 0 || !Number.isInteger(t) ? "" : clock(t)) }),
          axis({ size: 66, values: (u, ticks) => ticks.map((t) => t === null ? "" : t === 0 ? "0" : form(t)),
            incrs: form === short ? whole : undefined }),
        ],
        series: [{ label: "at", value: (u, v) => v === null || v === undefined ? "–" : clock(v) }]
          .concat(series.map((one) => ({
            label: one.label, stroke: colour(one.colour), width: time.second.length > 300 ? 1.25 : 2, show: !one.hidden, dash: one.dash,
            paths: one.steps ? uPlot.paths.stepped({ align: 1 }) : undefined,
            fill: one.fill ? colour(one.colour) + "22" : undefined,
            points: { show: dots, size: 5, fill: colour(one.colour) }, spanGaps: false,
            value: (u, v) => v === null || v === undefined ? "–" : form(v),
          }))),
      },
      values: [time.second].concat(series.map((one) => one.values)),
    }));
    return section(title, note, place);
  };

  const step_note = () => time.step_sec > 1 ? `steps of ${seconds(time.step_sec)}` : "per second";
  const per_second = (values) => values.map((value) => value / time.step_sec);

  const timeline = () => {
    if (!time || time.second.length === 0) return null;
    return make("div", { class: "charts", id: "timeline" },
      over("chart-hits", "Hits per second", "", [
        { label: "hits/s", values: per_second(time.hits), colour: "--blue", fill: true }], short),
      over("chart-latency", "Latency", step_note(), [
        { label: "50 %", values: time.p50_usec, colour: "--teal" },
        { label: "95 %", values: time.p95_usec, colour: "--amber" },
        { label: "99 %", values: time.p99_usec, colour: "--red" },
        { label: "longest", values: time.max_usec, colour: "--muted", hidden: true }], usec),
      over("chart-errors", "Errors and failures", step_note(), [
        { label: "without an answer", values: time.request_errors, colour: "--purple" },
        { label: "errors", values: time.errors, colour: "--red", dash: [7, 5] },
        { label: "failures", values: time.failures, colour: "--amber" }], short),
      !time.users.some((users) => users > 0) ? null : over("chart-users", "Users", "virtual users at a time", [
        { label: "users", values: time.users, colour: "--purple", fill: true, steps: true }], short));
  };

  /* Bars of a tenth of a power of ten: what is narrower than a pixel says nothing. */
  const distribution = () => {
    if (!data.distribution || data.distribution.length === 0) return null;
    const bins = new Map();
    for (const [value, n] of data.distribution) {
      const bin = Math.floor(Math.log10(value) * 20);
      bins.set(bin, (bins.get(bin) || 0) + n);
    }
    const first = Math.min(...bins.keys()) - 1, last = Math.max(...bins.keys()) + 1;
    const x = [], y = [];
    for (let bin = first; bin <= last; bin++) {
      x.push(10 ** ((bin + 0.5) / 20));
      y.push(bins.get(bin) || 0);
    }
    const place = make("div", { class: "chart", id: "chart-distribution" });
    const decades = (u, axis_index, low, high) =>
      [...Array(11).keys()].map((e) => 10 ** e).filter((t) => t >= low && t <= high);
    draw(place, () => ({
      options: {
        cursor: { y: false, points: { show: false } },
        scales: { x: { time: false, distr: 3 }, y: { range: (u, low, high) => [0, high * 1.08] } },
        axes: [
          axis({ size: 32, splits: decades, values: (u, ticks) => ticks.map((t) => t < 1e6 ? t < 1e3 ? t + " µs" : t / 1e3 + " ms" : t / 1e6 + " s") }),
          axis({ size: 66, incrs: whole, values: (u, ticks) => ticks.map((t) => t === null ? "" : short(t)) }),
        ],
        series: [
          { label: "around", value: (u, v) => v === null || v === undefined ? "–" : usec(v) },
          { label: "hits", stroke: colour("--blue"), fill: colour("--blue") + "99", width: 0,
            paths: uPlot.paths.bars({ size: [0.92, 60] }), points: { show: false },
            value: (u, v) => v === null || v === undefined ? "–" : count(v) },
        ],
      },
      values: [x, y],
    }));
    const l = run.latency;
    return section("Latency distribution", "of all hits; the scale is logarithmic", place,
      table("percentiles", [">least", ">average", ">50 %", ">90 %", ">95 %", ">99 %", ">99.9 %", ">longest"],
        [make("tr", {}, cell("min_usec", l.min_usec, usec), cell("average_usec", l.average_usec, usec),
          cell("p50_usec", l.p50_usec, usec), cell("p90_usec", l.p90_usec, usec),
          cell("p95_usec", l.p95_usec, usec), cell("p99_usec", l.p99_usec, usec),
          cell("p999_usec", l.p999_usec, usec), cell("max_usec", l.max_usec, usec))]));
  };

  /* ---- thresholds ---- */

  const thresholds = () => {
    if (run.thresholds.length === 0) return null;
    const missed = run.thresholds.filter((one) => !one.holds).length;
    const broken = (one) => one.broken_sec === undefined ? null :
      make("span", { class: "test", "data-key": "broken_sec", "data-value": one.broken_sec },
        `broke in second ${count(one.broken_sec)}` +
        (one.threshold === run.stopped_for ? "; the run was stopped for it" : ""));
    const rows = run.thresholds.map((one) => make("tr", {},
      make("td", { class: one.holds ? "mark is-good" : "mark is-bad", "data-key": "holds", "data-value": one.holds,
        title: one.holds ? "holds" : "does not hold" }, one.holds ? "✓" : "✗"),
      make("td", { class: "name" }, make("span", { class: "mono" }, one.threshold), broken(one)),
      number("td", "measured", one.measured === undefined ? one.value : one.measured, () => one.value,
        one.holds ? "number" : "number is-bad")));
    return section("Thresholds", (missed === 0 ? "all hold" : `${count(missed)} of ${count(rows.length)} ` +
      (missed === 1 ? "does not hold" : "do not hold")) + "; judged by " + (run.agents ? "the broker" : "loads-runner"),
      table("thresholds", ["", "Threshold", ">Measured"], rows));
  };

  /* ---- tables ---- */

  const statuses = (name) => name.statuses.map((one) =>
    make("span", { class: one.status >= 400 ? "status is-bad" : "status" },
      make("b", {}, one.status || "any"), " × " + count(one.hits)));

  const names = () => {
    if (run.names.length === 0) return null;
    const several = run.tests.length > 1;
    return section("Requests", "by name", table("names",
      ["Name", ">Hits", ">per second", ">Success", ">Average", ">50 %", ">95 %", ">99 %", ">Longest",
        ">No answer", "Statuses"],
      run.names.map((name) => {
        const l = name.latency || {};
        const good = make("span", { class: "share" }, make("i"));
        good.firstChild.style.width = name.success_rate * 100 + "%";
        return make("tr", {},
          make("td", { class: "name" }, make("span", { class: "method" }, name.method), path(name.name),
            several && name.test ? make("span", { class: "test" }, name.test) : null),
          cell("hits", name.hits, count), cell("hits_per_sec", name.hits_per_sec, rate),
          make("td", { class: "number", "data-key": "success_rate", "data-value": name.success_rate },
            good, share(name.success_rate)),
          cell("average_usec", l.average_usec, usec), cell("p50_usec", l.p50_usec, usec),
          cell("p95_usec", l.p95_usec, usec), cell("p99_usec", l.p99_usec, usec),
          cell("max_usec", l.max_usec, usec), cell("request_errors", name.request_errors, count),
          make("td", {}, statuses(name)));
      })));
  };

  const spent = (one) => one.latency ? one.latency.average_usec * one.count : 0;
  const phases = () => {
    const sum = run.phases.reduce((all, one) => all + spent(one), 0);
    if (sum === 0) return null;
    return section("What latencies were spent on", "the parts of all of them, in their order", table("phases",
      ["Part", ">Hits", ">Share", ">Average", ">50 %", ">95 %", ">99 %", ">Longest"],
      run.phases.map((one) => {
        const part = make("span", { class: "share part" }, make("i"));
        part.firstChild.style.width = spent(one) / sum * 100 + "%";
        return make("tr", {}, make("td", { class: "name" }, one.name), cell("count", one.count, count),
          make("td", { class: "number" }, part, share(spent(one) / sum)), spans(one));
      })));
  };
  const spans = (one) => {
    const l = one.latency || {};
    return [cell("average_usec", l.average_usec, usec), cell("p50_usec", l.p50_usec, usec),
      cell("p95_usec", l.p95_usec, usec), cell("p99_usec", l.p99_usec, usec), cell("max_usec", l.max_usec, usec)];
  };
  const timers = (id, title, note, list) => list.length === 0 ? null : section(title, note, table(id,
    ["Name", ">Count", ">Errors", ">Average", ">50 %", ">95 %", ">99 %", ">Longest"],
    list.map((one) => make("tr", {},
      make("td", { class: "name" }, path(one.name),
        run.tests.length > 1 && one.test ? make("span", { class: "test" }, one.test) : null),
      cell("count", one.count, count), cell("errors", one.errors, count), spans(one)))));

  const tests = () => run.tests.length === 0 ? null : section("Tests", "iterations of each",
    table("tests", ["Test", ">Successes", ">Failures", ">Errors", ">Interrupted"],
      run.tests.map((test) => make("tr", {}, make("td", { class: "name" }, test.test),
        cell("successes", test.successes, count), cell("failures", test.failures, count),
        cell("errors", test.errors, count), cell("interrupted", test.interrupted, count)))));

  const problems = () => {
    if (run.errors.length === 0) return null;
    const items = run.errors.map((error, i) => {
      const title = [number("span", "count", error.count, (v) => count(v) + " ×", "count"),
        make("span", { class: "kind " + error.kind }, error.kind), error.class + ": " + error.message];
      const where = make("p", { class: "where" },
        [error.test, error.place].filter((text) => text).join(" · "));
      if (!error.traceback) return make("div", { class: "problem" }, make("div", {}, title), where);
      const details = make("details", { class: "problem" }, make("summary", {}, title), where,
        make("pre", {}, error.traceback));
      details.open = i === 0;
      return details;
    });
    return section("Errors and failures", "the most frequent first", make("div", { id: "problems" }, items));
  };

  const counters = () => run.counters.length === 0 ? null : section("Counters", "of the tests' own",
    table("counters", ["Name", ">Count"], run.counters.map((counter) =>
      make("tr", {}, make("td", { class: "name" }, counter.name), cell("count", counter.count, count)))));

  const sockets = () => run.web_sockets.opened === 0 ? null : section("Web sockets", "",
    table("sockets", [">Opened", ">Closed", ">Messages sent", ">received", ">Bytes sent", ">received"],
      [make("tr", {}, cell("opened", run.web_sockets.opened, count),
        cell("closed", run.web_sockets.closed, count), cell("sent", run.web_sockets.sent, count),
        cell("received", run.web_sockets.received, count),
        cell("sent_bytes", run.web_sockets.sent_bytes, bytes),
        cell("received_bytes", run.web_sockets.received_bytes, bytes))]));

  const agents = () => {
    if (!run.agents || run.agents.length === 0) return null;
    const used = new Map((run.usage || []).map((usage) => [usage.agent, usage]));
    const lost = new Set(run.lost || []);
    return section("Agents", "", table("agents", ["Agent", "", ">Processor time", ">Memory at most"],
      run.agents.map((agent) => {
        const usage = used.get(agent) || {};
        return make("tr", {}, make("td", { class: "name" }, agent),
          make("td", { class: "is-bad" }, lost.has(agent) ? "lost" : ""),
          cell("cpu_usec", usage.cpu_usec, usec), cell("memory_peak_bytes", usage.memory_peak_bytes, bytes));
      })));
  };

  const options = () => {
    const list = make("dl", { id: "options" });
    const add = (label, text) => list.append(make("dt", {}, label), make("dd", {}, text));
    for (const [key, value] of Object.entries(run.options)) {
      const text = Array.isArray(value) ? value.join(", ") : String(value);
      if (text === "") continue;
      if (key.endsWith("_usec")) add(key.slice(0, -5).replace(/_/g, " "), seconds(value / 1e6));
      else add(key.replace(/_/g, " "), text);
    }
    if (run.workers) add("workers", run.workers);
    return section("Options", "", list);
  };

  /* ---- the page ---- */

  const other = run.other.series + run.other.errors + run.other.counters + run.other.timers;
  const parts = [head(), cards(), thresholds(), timeline(), distribution(), problems(), names(), phases(),
    timers("transactions", "Transactions", "parts of tests, as they name them", run.transactions),
    timers("round_trips", "Round trips", "of web sockets: a message and its answer", run.round_trips),
    tests(), sockets(), make("div", { class: "two" }, counters(), agents(), options()),
    make("footer", {},
      other > 0 ? `There was no room for all names: ${count(run.other.series)} requests, ` +
        `${count(run.other.errors)} errors, ${count(run.other.timers)} times and ${count(run.other.counters)} ` +
        "changes of counters are in “(other)”. " : "",
      `Loads ${run.loads_version}. Charts by uPlot.`)];
  main.replaceChildren(...parts.filter((part) => part !== null));
  const redraw = () => charts.forEach((chart) => chart.draw());
  redraw();
  for (const query of ["(prefers-color-scheme: dark)", "print"]) {
    window.matchMedia(query).addEventListener("change", redraw);
  }
  window.addEventListener("beforeprint", redraw);
  window.addEventListener("afterprint", redraw);
  new ResizeObserver(() => charts.forEach((chart) => chart.fit())).observe(main);
  document.documentElement.dataset.ready = "yes";
})();
