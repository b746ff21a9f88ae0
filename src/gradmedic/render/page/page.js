"use strict";
const show = () => {
  const root = document.documentElement;
  const read = (id) => JSON.parse(document.getElementById(id)?.textContent ?? "null");
  const number = (x) => typeof x !== "number" ? String(x) : x === 0 ? "0" : Math.abs(x) >= 1e-3 && Math.abs(x) < 1e5 ? String(+x.toPrecision(4)) : x.toExponential(2);

  for (const input of document.querySelectorAll(".languages input")) {
    input.addEventListener("change", () => { root.lang = input.id.slice(3); });
  }

  for (const button of document.querySelectorAll(".copy")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.previousElementSibling.textContent);
      button.dataset.done = "1";
      setTimeout(() => delete button.dataset.done, 1500);
    });
  }

  const series = read("series") ?? { charts: {}, maps: {} };

  function track(figure, area, show) {
    const output = figure.querySelector("output");
    area.addEventListener("pointermove", (event) => {
      const box = area.getBoundingClientRect();
      output.value = show((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    });
    area.addEventListener("pointerleave", () => { output.value = show(null, null) ?? ""; });
  }

  for (const figure of document.querySelectorAll("[data-chart]")) {
    const chart = series.charts[figure.dataset.chart];
    const area = figure.querySelector(".canvas");
    if (!chart || !area) continue;
    const names = [...figure.querySelectorAll(".key.one, .key.two, .key.three, .key.four")];
    const cursor = document.createElement("div");
    cursor.className = "cursor";
    track(figure, area, (x) => {
      if (x === null) { cursor.remove(); return ""; }
      const [first, last] = chart.steps;
      const wanted = first + x * Math.max(1, last - first);
      const nearest = chart.curves.map((points) => points.reduce((best, point) =>
        Math.abs(point[0] - wanted) < Math.abs(best[0] - wanted) ? point : best, points[0]));
      area.append(cursor);
      cursor.style.left = `${100 * (nearest[0][0] - first) / Math.max(1, last - first)}%`;
      return nearest.map((point, i) => `${names.length > 1 ? names[i].innerText + " " : ""}${number(point[1])} @ ${point[0]}`).join("   ");
    });
  }

  for (const figure of document.querySelectorAll("[data-map]")) {
    const map = series.maps[figure.dataset.map];
    const image = figure.querySelector("img");
    if (!map || !image) continue;
    const canvas = document.createElement("canvas");
    const pixels = () => {
      canvas.width = image.naturalWidth;
      canvas.height = image.naturalHeight;
      const pen = canvas.getContext("2d", { willReadFrequently: true });
      pen.drawImage(image, 0, 0);
      return pen.getImageData(0, 0, canvas.width, canvas.height).data;
    };
    let data = null;
    const level = (at) => {
      const color = (data[at] << 16) + (data[at + 1] << 8) + data[at + 2];
      if (data[at + 3] < 255) return "–";
      if (color === series.zero || color === series.lost) return color === series.zero ? "0" : "inf / nan";
      const places = series.palette.indexOf(color);
      const value = map.low + places / (series.palette.length - 1) * (map.high - map.low);
      return places < 0 ? "" : map.log ? `1e${value.toFixed(1)}` : `${(100 * value).toFixed(0)} %`;
    };
    track(figure, image, (x, y) => {
      if (x === null) return "";
      data ??= pixels();
      const column = Math.min(canvas.width - 1, Math.floor(x * canvas.width));
      const row = Math.min(canvas.height - 1, Math.floor(y * canvas.height));
      const name = figure.querySelectorAll(".names span")[row]?.textContent ?? "";
      return `${name} @ ${map.columns[column]}  ${level(4 * (row * canvas.width + column))}`;
    });
  }
};
show();
