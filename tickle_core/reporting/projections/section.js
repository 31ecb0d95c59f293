// The map of images: points coloured by class, the image under the pointer, classes to pick out.
(() => {
  const canvas = document.getElementById("map");
  const points = JSON.parse(document.getElementById("map-points").textContent);
  const layer = document.getElementById("map-layer");
  const method = document.getElementById("map-method");
  const shown = document.getElementById("map-image");
  const legend = [...document.querySelectorAll(".explorer-legend button")];
  const REACH = 14; // pixels within which the pointer finds a point
  const MARGIN = 12;
  let picked = null, places = [];

  function draw(under = -1) {
    const ratio = window.devicePixelRatio || 1;
    const side = canvas.clientWidth;
    canvas.width = canvas.height = side * ratio;
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const [xs, ys] = points.maps[layer.value][method.value];
    const scale = (side - 2 * MARGIN) / 1000;
    places = xs.map((x, i) => (x < 0 ? null : [MARGIN + x * scale, side - MARGIN - ys[i] * scale]));
    places.forEach((place, i) => {
      if (!place) return;
      const label = points.labels[i];
      context.globalAlpha = picked === null || picked === label ? 0.85 : 0.08;
      context.fillStyle = points.colors[label];
      context.beginPath();
      context.arc(...place, i === under ? 6 : 3, 0, 2 * Math.PI);
      context.fill();
    });
  }

  function nearest(x, y) {
    let best = -1, least = REACH ** 2;
    places.forEach((place, i) => {
      if (!place || (picked !== null && points.labels[i] !== picked)) return;
      const apart = (place[0] - x) ** 2 + (place[1] - y) ** 2;
      if (apart < least) [best, least] = [i, apart];
    });
    return best;
  }

  function show(event) {
    const box = canvas.getBoundingClientRect();
    const found = nearest(event.clientX - box.left, event.clientY - box.top);
    draw(found);
    shown.hidden = found < 0;
    if (found < 0) return;
    const image = document.getElementById(`image-${points.images[found]}`);
    const size = `${image.getAttribute("width")} ${image.getAttribute("height")}`;
    const name = document.createElement("span");
    name.textContent = points.classes[points.labels[found]];
    shown.innerHTML = `<svg viewBox="0 0 ${size}"><use href="#image-${points.images[found]}"/></svg>`;
    shown.append(name);
    const [x, y] = places[found];
    shown.style.left = `${Math.min(x + 12, box.width - 120)}px`;
    shown.style.top = `${Math.min(y + 12, box.height - 140)}px`;
  }

  legend.forEach((button) => button.addEventListener("click", () => {
    const label = Number(button.dataset.label);
    picked = picked === label ? null : label;
    legend.forEach((each) => each.setAttribute("aria-pressed", Number(each.dataset.label) === picked));
    draw();
  }));
  for (const control of [layer, method]) control.addEventListener("change", () => draw());
  canvas.addEventListener("pointermove", show);
  canvas.addEventListener("pointerleave", () => { shown.hidden = true; draw(); });
  window.addEventListener("resize", () => draw());
  document.querySelectorAll(".explorer, .explorer-controls, .explorer-legend").forEach((each) => {
    each.hidden = false;
  });
  draw();
})();
