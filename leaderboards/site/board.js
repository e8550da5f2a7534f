"use strict";
// Sorting of the standings. Without it the table stands in order of rank, and the filter still works: it is CSS.
(function () {
  const table = document.querySelector("table.board");
  if (!table) return;
  const heads = Array.from(table.querySelectorAll("thead th"));
  const said = document.getElementById("said");
  const sorting = document.querySelector(".sorting");
  const select = sorting.querySelector("select");

  function valueOf(row, column) {
    const text = row.cells[column].dataset.value;
    return text === "" || isNaN(text) ? text : Number(text);
  }

  function compare(a, b) {
    if (a === "" || b === "") return 0;
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0;
  }

  function sort(column, direction) {
    const sign = direction === "ascending" ? 1 : -1;
    for (const body of table.tBodies) {
      const rows = Array.from(body.rows).filter((row) => row.dataset.track);
      const keyed = rows.map((row) => [valueOf(row, column), row]);
      keyed.sort((a, b) => (a[0] === "") - (b[0] === "") || sign * compare(a[0], b[0]));
      for (const [, row] of keyed) body.append(row);
    }
    heads.forEach((head, i) => {
      if (i === column) head.setAttribute("aria-sort", direction);
      else head.removeAttribute("aria-sort");
    });
    select.value = String(column);
    said.textContent = "Sorted by " + heads[column].textContent + ", " + direction;
  }

  function first(head) {
    return head.dataset.sort === "up" ? "ascending" : "descending";
  }

  heads.forEach((head, column) => {
    if (!head.dataset.sort) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const before = head.getAttribute("aria-sort");
      const other = before === "ascending" ? "descending" : "ascending";
      sort(column, before ? other : first(head));
    });
    const option = document.createElement("option");
    option.value = String(column);
    option.textContent = head.textContent;
    select.append(option);
  });
  select.addEventListener("change", () => sort(Number(select.value), first(heads[Number(select.value)])));
  sorting.hidden = false;
})();
