// Draws every canvas[data-chart] from the JSON block that it names, in the page's own colours, and again when these change.
"use strict";
(() => {
  const drawn = new Map(); // canvas -> {chart, text}

  // A colour that another property's light-dark() makes, as the canvas can use it.
  const probe = document.createElement("span");
  probe.hidden = true;
  const solid = (name) => {
    if (!probe.isConnected) document.body.append(probe);
    probe.style.color = "var(--" + name + ")";
    return getComputedStyle(probe).color;
  };

  // On a narrow screen "kind (scope)" goes on two lines, or its beginning would be cut off.
  const labels = (canvas, data) =>
    data.horizontal && canvas.parentElement.clientWidth < 400 ? data.labels.map((label) => (label.length > 20 ? label.split(/ (?=\()/) : label)) : data.labels;

  const scales = (data) => {
    const flat = data.horizontal;
    const grid = { color: solid("line") };
    const ticks = { color: solid("soft") };
    const values = { beginAtZero: true, max: data.most, stacked: Boolean(data.stacked), grid, ticks: { ...ticks, precision: data.kind === "line" ? undefined : 0 } };
    const names = { stacked: Boolean(data.stacked), grid: { display: false }, ticks: { ...ticks, autoSkip: !flat, maxRotation: 60, font: { size: flat ? 11 : 12, lineHeight: 1 } } };
    if (data.kind === "scatter") {
      const bare = { min: -1.08, max: 1.08, grid, ticks: { display: false }, border: { display: false } };
      return { x: bare, y: bare };
    }
    return flat ? { x: values, y: names } : { x: names, y: values };
  };

  const points = (series) => {
    const tone = solid(series.colour);
    const filled = series.points.map((point) => (point[3] === "accepted" ? tone : "transparent"));
    return {
      label: series.name,
      data: series.points.map(([x, y, text, decision, id]) => ({ x, y, text, decision, id })),
      pointStyle: series.shape,
      backgroundColor: filled,
      borderColor: tone,
      borderWidth: 1.5,
      radius: series.points.length > 60 ? 3.5 : 5,
      hoverRadius: 8,
    };
  };

  const datasets = (data) => {
    if (data.kind === "scatter") return data.series.map(points);
    const made = data.series.map((series) => ({
      label: series.name,
      data: series.values,
      backgroundColor: solid(series.colour),
      borderColor: solid(series.colour),
      borderWidth: data.kind === "line" ? 2 : 0,
      pointRadius: 4,
      maxBarThickness: 34,
      order: 2,
    }));
    if (data.intervals)
      made.push({ label: "95 % interval", data: data.intervals, backgroundColor: solid("ink"), barThickness: 2, grouped: false, order: 1 });
    return made;
  };

  const wrapped = (text) => text.match(/.{1,46}(\s|$)|\S+/g) ?? [text];
  const told = (item) => {
    if (item.raw?.text) return [...wrapped(item.raw.text), item.dataset.label + ", " + item.raw.decision];
    const value = Array.isArray(item.raw) ? item.raw.join(" to ") : Number(item.raw).toLocaleString("en");
    return item.dataset.label + ": " + value;
  };

  const settings = (canvas, data) => ({
    type: data.kind,
    data: { labels: labels(canvas, data), datasets: datasets(data) },
    options: {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      indexAxis: data.horizontal ? "y" : "x",
      interaction: data.kind === "scatter" ? { mode: "nearest", intersect: true } : { mode: "index", axis: data.horizontal ? "y" : "x", intersect: false },
      scales: scales(data),
      onClick: (_, hits, chart) => {
        const hit = hits[0] && chart.data.datasets[hits[0].datasetIndex].data[hits[0].index];
        if (hit?.id && canvas.dataset.samples) location.href = canvas.dataset.samples + hit.id;
      },
      plugins: {
        legend: {
          display: data.series.length > 1 || Boolean(data.intervals),
          position: "bottom",
          labels: { color: solid("ink"), usePointStyle: true, boxHeight: 8, generateLabels },
        },
        tooltip: { callbacks: { label: told, title: (items) => (data.kind === "scatter" ? "" : items[0]?.label) } },
      },
    },
  });

  // Of a series of points the first may be hollow: the legend always shows the series' own colour.
  const generateLabels = (chart) =>
    Chart.defaults.plugins.legend.labels.generateLabels(chart).map((label) => ({
      ...label,
      fillStyle: chart.config.type === "scatter" ? label.strokeStyle : label.fillStyle,
    }));

  const draw = (again) => {
    for (const [canvas, { chart }] of drawn) {
      if (canvas.isConnected) continue;
      chart.destroy();
      drawn.delete(canvas);
    }
    for (const canvas of document.querySelectorAll("canvas[data-chart]")) {
      const text = document.getElementById(canvas.dataset.chart)?.textContent;
      const known = drawn.get(canvas);
      if (!text || (!again && known?.text === text)) continue;
      canvas.parentElement.style.height = (canvas.dataset.height ??= canvas.getAttribute("height")) + "px";
      known?.chart.destroy();
      const hidden = known ? known.chart.data.datasets.filter((_, at) => !known.chart.isDatasetVisible(at)).map((one) => one.label) : [];
      const chart = new Chart(canvas, settings(canvas, JSON.parse(text)));
      chart.data.datasets.forEach((one, at) => hidden.includes(one.label) && chart.setDatasetVisibility(at, false));
      if (hidden.length) chart.update("none");
      drawn.set(canvas, { chart, text });
    }
  };

  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  draw(false);
  document.addEventListener("htmx:after:swap", () => draw(false));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(true));
  new MutationObserver(() => draw(true)).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  addEventListener("beforeprint", () => draw(true));

  // What a person has opened stays open when a part of the page is brought up to date.
  document.addEventListener("htmx:before:morph:node", (event) => {
    const { oldNode, newNode } = event.detail;
    if (oldNode?.tagName === "DETAILS") newNode.open = oldNode.open;
  });
})();
