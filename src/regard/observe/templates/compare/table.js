// A sortable table. Columns: {title, value, cell, number, wide, hidden}; value(row) is the sort key, cell(row) the content.

const sortings = {};  // by table: sort column and direction

function drawTable(id, caption, columns, rows, first) {
  const sorting = sortings[id] ??= { column: first.column, descending: first.descending };
  const visibleColumns = columns.filter(({ hidden }) => !hidden);
  const body = make("tbody");
  const heads = visibleColumns.map((column) => {
    const parts = (column.title.length < 12 ? [column.title] : column.title.split(/(?<=[./_])/)).flatMap((part) => [part, make("wbr")]);
    const button = make("button", { type: "button" }, ...parts);
    const head = make("th", { scope: "col", className: column.number ? "number" : "" }, button);
    button.onclick = () => {
      sorting.descending = sorting.column === column.title && !sorting.descending;
      sorting.column = column.title;
      arrange();
    };
    return head;
  });
  const lines = new Map(rows.map((row) => [row, make("tr", {}, ...visibleColumns.map((column, place) => {
    const tag = place === 0 ? "th" : "td";
    const cell = make(tag, { className: [column.number && "number", column.wide && "wide"].filter(Boolean).join(" ") });
    if (place === 0) cell.scope = "row";
    cell.append(...[column.cell ? column.cell(row) : format(column.value(row))].flat());
    return cell;
  }))]));

  function arrange() {
    const column = visibleColumns.find(({ title }) => title === sorting.column);
    heads.forEach((head, place) => {
      const here = visibleColumns[place] === column;
      head.ariaSort = here ? (sorting.descending ? "descending" : "ascending") : "none";
    });
    const sorted = column ? [...rows].sort((a, b) => compareValues(column.value(a), column.value(b), sorting.descending)) : rows;
    body.replaceChildren(...sorted.map((row) => lines.get(row)));
  }
  arrange();
  $(id).replaceChildren(make("caption", { textContent: caption }), make("thead", {}, make("tr", {}, ...heads)), body);
}

const byName = new Intl.Collator("en", { numeric: true }).compare;

// Numbers before text; missing values and NaN are last in both directions.
function compareValues(a, b, descending) {
  const rank = (value) => numeric(value) ? 0 : typeof value === "string" && value !== "" && value !== "NaN" ? 1 : 2;
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  const order = rank(a) === 0 ? a - b : rank(a) === 1 ? byName(a, b) : 0;
  return descending ? -order : order;
}
