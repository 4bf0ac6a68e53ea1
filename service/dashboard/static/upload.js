// Upload of a file or Blob with progress, by XMLHttpRequest: fetch reports none.

import {Problem} from "./api.js";

// Resolves to {status, document}; rejects with Problem. progress(share): called with the share that is sent.
export function upload(path, content, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.setRequestHeader("Content-Type", "application/octet-stream");
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
    request.send(content);
  });
}
