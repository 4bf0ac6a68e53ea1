// A folder that a person chose as one tar (POSIX, pax): a Blob of headers and of the files themselves, which are not
// read before they are sent.

const BLOCK = 512;
const text = new TextEncoder();

// entries: [{path, file}], paths with "/".
export function tarOf(entries) {
  const parts = [];
  for (const {path, file} of entries) {
    const name = text.encode(path);
    if (name.length > 100 || name.length !== path.length) parts.push(...extended(path));
    parts.push(header(name.slice(0, 100), file.size, "0"), file, padding(file.size));
  }
  return new Blob([...parts, new Uint8Array(2 * BLOCK)]);
}

// The record of a path that is long or not ASCII; it begins with its own length, in digits.
function extended(path) {
  const rest = text.encode(` path=${path}\n`);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  const record = text.encode(`${length} path=${path}\n`);
  return [header(text.encode("pax"), record.length, "x"), record, padding(record.length)];
}

function header(name, size, type) {
  const block = new Uint8Array(BLOCK);
  const put = (words, at) => block.set(text.encode(words), at);
  block.set(name, 0);
  put("0000644\0" + "0000000\0" + "0000000\0", 100);
  put(`${size.toString(8).padStart(11, "0")}\0`, 124);
  put("00000000000\0", 136);
  put("        ", 148);
  put(type, 156);
  put("ustar\0" + "00", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

function padding(size) {
  return new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);
}

// Files of what was dropped, folders opened: [{path, file}].
export async function droppedFiles(items) {
  const roots = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const found = [];
  for (const root of roots) await gather(root, found);
  return found;
}

async function gather(entry, found) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push({path: entry.fullPath.replace(/^\//, ""), file});
    return;
  }
  const reader = entry.createReader();
  for (;;) { // a browser gives a hundred at a time
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    for (const each of some) await gather(each, found);
  }
}
