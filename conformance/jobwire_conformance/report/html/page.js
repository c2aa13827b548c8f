"use strict";
// Show the rows of both lists that have one of the statuses, the role and all the words that were asked for.
(() => {
  const form = document.getElementById("filters");
  const rows = [...document.querySelectorAll(".row")];
  const boxes = [...form.querySelectorAll("input[type=checkbox]")];
  const role = document.getElementById("role");
  const text = document.getElementById("text");
  const shown = document.getElementById("shown");
  const has = (row, name, value) => (row.dataset[name] || "").split(" ").includes(value);

  function matches(row) {
    const statuses = boxes.filter((box) => box.checked).map((box) => box.value);
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    return (
      (!statuses.length || statuses.some((status) => has(row, "status", status))) &&
      (!role.value || has(row, "role", role.value)) &&
      words.every((word) => row.dataset.text.includes(word))
    );
  }

  function apply() {
    let requirements = 0;
    let cases = 0;
    for (const row of rows) {
      row.hidden = !matches(row);
      if (row.hidden) continue;
      if (row.tagName === "TR") requirements += 1;
      else cases += 1;
    }
    shown.textContent = `${requirements} requirements, ${cases} cases`;
  }

  // A link can lead to what a filter hides, or what is folded.
  function reveal() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    const row = target.closest(".row");
    if (row && row.hidden) {
      form.reset();
      apply();
    }
    const folded = target.closest("details");
    if (folded) folded.open = true;
    target.scrollIntoView();
  }

  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("change", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", reveal);
  apply();
  if (location.hash) reveal();
})();
