// @ts-check
/** A button that starts the live camera, hands frame after frame to a tab, and says why where there is none. */
import { alarm, make } from "./dom.mjs";

const WORDS = /** @type {Record<string, string>} */ ({
  NotAllowedError: "The camera was not allowed. Allow it for this page in the browser's settings, or choose a picture.",
  NotFoundError: "This device has no camera; choose a picture.",
  NotReadableError: "Another program uses the camera; close it, or choose a picture.",
});

/** Return why this page has no live camera, or nothing. */
export function noCamera() {
  if (!isSecureContext) {
    return "The live camera needs a secure address (https, or localhost by dimaging-edge app --adb). “Take a photo” works here, too.";
  }
  return navigator.mediaDevices ? "" : "This browser has no live camera; “Take a photo” works, too.";
}

/**
 * @param {{each: (video: HTMLVideoElement) => Promise<void>, begin?: () => void}} options `each` is awaited before the
 *   next frame
 */
export function liveCamera({ each, begin }) {
  const button = make("button", { type: "button", "aria-pressed": "false" }, "Live camera");
  const said = make("div", { role: "status" });
  const place = make("div", { className: "live" }, make("div", { className: "row" }, button), said);
  /** @type {MediaStream | null} */
  let stream = null;
  const stop = () => {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    button.disabled = false;
    button.textContent = "Live camera";
    button.setAttribute("aria-pressed", "false");
  };
  const run = async () => {
    const video = make("video", { muted: true, playsInline: true });
    video.srcObject = stream;
    await video.play();
    begin?.();
    while (stream && place.isConnected) {
      await each(video);
      await new Promise((resolve) => requestAnimationFrame(resolve)); // a hidden page waits here
    }
  };
  button.onclick = async () => {
    if (stream) return stop();
    const missing = noCamera();
    if (missing) return said.replaceChildren(make("p", { className: "note" }, missing));
    said.replaceChildren();
    button.disabled = true; // a second press would open a second camera, which nothing closes
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 640 } } });
      button.disabled = false;
      button.textContent = "Stop the camera";
      button.setAttribute("aria-pressed", "true");
      await run();
    } catch (error) {
      const { name, message } = /** @type {Error} */ (error);
      said.replaceChildren(alarm(WORDS[name] ?? message));
    }
    stop();
  };
  return place;
}
