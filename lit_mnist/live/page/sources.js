// Pictures from elsewhere: opened, dropped, pasted, or taken with the camera.

import { $ } from "./dom.js";

const LARGEST = 50_000_000; // pixels; the limit of `predict`

/**
 * Pass pictures to `take` and error messages to `say`.
 * @param {(picture: ImageBitmap) => void} take
 * @param {(text: string) => void} say
 */
export function listenForPictures(take, say) {
  const open = async (file) => {
    if (!file) return;
    try {
      const picture = await createImageBitmap(file);
      if (picture.width * picture.height > LARGEST) say(`${picture.width} × ${picture.height} pixels; accepted: up to ${LARGEST}`);
      else take(picture);
    } catch {
      say(`${file.name || "the clipboard"}: no picture that this browser can read`);
    }
  };
  $("file").addEventListener("change", (event) => {
    open(event.target.files[0]);
    event.target.value = ""; // so that the same file can be opened again
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    open(event.dataTransfer.files[0]);
  });
  document.addEventListener("paste", (event) => {
    const item = [...event.clipboardData.items].find((each) => each.type.startsWith("image/"));
    if (item) open(item.getAsFile());
  });
  listenForCamera(take, say);
}

/** Offer the camera where the browser allows it: on pages from disk, https and this machine. */
function listenForCamera(take, say) {
  const dialog = $("camera");
  const video = dialog.querySelector("video");
  const stop = () => video.srcObject?.getTracks().forEach((track) => track.stop());
  $("open-camera").hidden = !navigator.mediaDevices?.getUserMedia;
  $("open-camera").addEventListener("click", async () => {
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      dialog.showModal();
      await video.play();
    } catch (error) {
      say(`the camera cannot be used: ${error.message}`);
    }
  });
  $("take-picture").addEventListener("click", async () => {
    const picture = await createImageBitmap(video);
    dialog.close();
    take(picture);
  });
  $("close-camera").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", stop);
}

/** @param {any} picture with `width` and `height` @returns {ImageData} its pixels */
export function pixelsOf(picture) {
  const canvas = document.createElement("canvas");
  canvas.width = picture.width;
  canvas.height = picture.height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}
