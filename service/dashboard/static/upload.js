// Upload of a file with progress, by XMLHttpRequest: fetch reports none.

import {Problem} from "./api.js";

const TYPES = {npz: "application/x-npz", zip: "application/zip"};

// Resolves to {status, document}; rejects with Problem. progress(share): called with the share that is sent.
export function upload(path, file, progress) {
  const type = TYPES[file.name.split(".").at(-1).toLowerCase()];
  if (!type) return Promise.reject(new Problem({status: 0, title: "Another file", detail: `${file.name} is neither .npz nor .zip`}));
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.setRequestHeader("Content-Type", type);
    request.setRequestHeader("Accept", "application/json");
    request.upload.addEventListener("progress", ({loaded, total}) => progress(total ? loaded / total : 0));
    request.addEventListener("error", () => reject(new Problem({status: 0, title: "Not reached", detail: "the upload was cut off; the service may have refused it"})));
    request.addEventListener("load", () => {
      let document = null;
      try {
        document = JSON.parse(request.responseText);
      } catch {
        document = {status: request.status, title: request.statusText};
      }
      if (request.status < 300) resolve({status: request.status, document});
      else reject(new Problem(document));
    });
    request.send(file);
  });
}
