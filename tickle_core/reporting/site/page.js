// Tabs of layers. Without scripts these stay hidden and every layer is shown.
function tabbed(section) {
  const tabs = [...section.querySelectorAll("[role=tab]")];
  const panels = [...section.querySelectorAll("[role=tabpanel]")];

  function select(tab) {
    tabs.forEach((each, i) => {
      const chosen = each === tab;
      each.setAttribute("aria-selected", chosen);
      each.tabIndex = chosen ? 0 : -1;
      panels[i].hidden = !chosen;
    });
  }

  tabs.forEach((tab, i) => {
    tab.addEventListener("click", () => select(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = tabs[(i + step + tabs.length) % tabs.length];
      select(next);
      next.focus();
      event.preventDefault();
    });
  });
  section.querySelector(".controls").hidden = false;
  section.classList.add("tabbed");
  select(tabs.find((tab) => tab.getAttribute("aria-selected") === "true"));
}

document.querySelectorAll(".tabs").forEach(tabbed);
