// A captioner: it describes the image that is dropped, chosen or pasted.

const CUT = "";
const CHOSEN_FROM = "The most likely tokens at this position, given the image and the output before.";
const SIZE = description.model.encoder.image_size;

let picture = null; // { pixels, image, text }: bytes of RGB, address of the resized image, name of the file

const request = () => ({
  kind: "describe",
  pixels: picture.pixels,
  beamSize: Number($("beam-size").value),
  alpha: Number($("length-penalty").value),
});
const toTrace = ({ text, tokens }) => ({ kind: "trace", ...picture, output: text, tokens });
const hasInput = () => picture !== null;

// An option, or at the start: the page is opened with an example.
async function inputChanged() {
  const example = JSON.parse($("example").textContent);
  if (picture || !example) return run();
  const image = make("img", { src: example });
  await image.decode();
  takePicture(image, "example.png");
}

async function readPicture(file) {
  if (!file) return;
  try {
    const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
    takePicture(bitmap, file.name);
  } catch {
    $("progress").textContent = `${file.name}: the browser cannot read it; expected an image, such as PNG or JPEG.`;
  }
}

// Resizes an image on a white background, shows it and describes it.
function takePicture(bitmap, name) {
  const canvas = make("canvas", { width: bitmap.width, height: bitmap.height });
  const brush = canvas.getContext("2d");
  brush.fillStyle = "#fff";
  brush.fillRect(0, 0, bitmap.width, bitmap.height);
  brush.drawImage(bitmap, 0, 0);
  const pixels = squareOf(brush.getImageData(0, 0, bitmap.width, bitmap.height), SIZE);
  const small = make("canvas", { width: SIZE, height: SIZE });
  const shown = new ImageData(SIZE, SIZE);
  for (let i = 0; i < SIZE * SIZE; i++) shown.data.set([...pixels.subarray(3 * i, 3 * i + 3), 255], 4 * i);
  small.getContext("2d").putImageData(shown, 0, 0);
  picture = { pixels, image: small.toDataURL(), text: name };
  $("preview").src = picture.image;
  $("preview").hidden = false;
  run();
}

$("file").onchange = () => readPicture($("file").files[0]);
$("request").ondragover = (event) => event.preventDefault();
$("request").ondrop = (event) => {
  event.preventDefault();
  readPicture(event.dataTransfer.files[0]);
};
document.addEventListener("paste", ({ clipboardData }) => readPicture(clipboardData.files[0]));
