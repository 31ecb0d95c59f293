// The gallery's controls: order, class, heat maps, marks.
(() => {
  const gallery = document.getElementById("gallery");
  const panels = [...gallery.querySelectorAll("[role=tabpanel]")];
  const order = document.getElementById("order");
  const className = document.getElementById("class");
  const marks = document.getElementById("marks");
  const heat = document.getElementById("heat"); // absent where no layer has patches

  function arrange() {
    for (const panel of panels) {
      const list = panel.querySelector(".latents");
      const sign = order.value === "density" ? 1 : -1;
      const rows = [...list.children];
      rows.sort((a, b) => sign * (a.dataset[order.value] - b.dataset[order.value])
        || b.dataset.energy - a.dataset.energy);
      for (const row of rows) {
        row.hidden = className.value !== "" && row.dataset.class !== className.value;
        list.append(row);
      }
      panel.querySelector(".empty").hidden = rows.length === 0 || rows.some((row) => !row.hidden);
    }
  }

  order.addEventListener("change", arrange);
  className.addEventListener("change", arrange);
  marks.addEventListener("change", () => gallery.classList.toggle("unmarked", !marks.checked));

  heat?.addEventListener("change", () => gallery.classList.toggle("cold", !heat.checked));

  // Form values survive a reload in some browsers.
  order.value = "energy";
  className.value = "";
  marks.checked = true;
  if (heat) heat.checked = true;
})();
