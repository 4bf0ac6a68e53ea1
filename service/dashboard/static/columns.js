// The columns of the table of experiments that a person chooses. A cookie keeps them, as the server writes the table.

const YEAR = 31_536_000; // seconds
const place = document.getElementById("columns");

function save(names) {
  const value = names === null ? "; max-age=0" : `${names.map(encodeURIComponent).join(",")}; max-age=${YEAR}`;
  document.cookie = `tgsh_columns=${value}; path=/; SameSite=Lax`;
  document.body.dispatchEvent(new CustomEvent("tgsh:changed", {bubbles: true}));
}

const written = () => document.getElementById("spec-columns").value.split(/[,\s]+/).filter(Boolean);

place?.addEventListener("change", () => {
  const boxes = [...place.querySelectorAll("input:checked")].map((box) => box.value);
  save([...boxes, ...written()]);
});

document.getElementById("usual-columns")?.addEventListener("click", () => {
  save(null);
  document.getElementById("spec-columns").value = "";
  const usual = place.dataset.usual.split(",");
  for (const box of place.querySelectorAll("input[type=checkbox]")) box.checked = usual.includes(box.value);
});
