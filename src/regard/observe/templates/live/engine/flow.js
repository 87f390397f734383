// Rectified flow from noise to an image, as in regard.inference.drawing.rectified_flow.

const SHORTEST_TIME = 0.05;

// Yields each step: its time, the noisy image and the predicted one. Returns the image. record(number): a recorder for the
// first evaluation of a step with the prompt
function* drawImage(model, memory, noise, { steps, guidance, solver }, record) {
  const without = guidance === 1 ? null : model.read([EOS]);
  const predict = (x, time, recorder) => {
    const clean = model.predict(x, time, memory, recorder);
    if (!without) return clean;
    const unguided = model.predict(x, time, without);
    return clean.map((value, i) => unguided[i] + guidance * (value - unguided[i]));
  };
  const velocity = (predicted, x, time) =>
    predicted.map((value, i) => (value - x[i]) / Math.max(1 - time, SHORTEST_TIME));
  let x = noise;
  for (let number = 0; number < steps; number++) {
    const [time, following] = [number / steps, (number + 1) / steps];
    const predicted = predict(x, time, record(number));
    yield { number, time, noisy: x, predicted };
    const moved = (speed) => x.map((value, i) => value + (following - time) * speed[i]);
    let speed = velocity(predicted, x, time);
    if (solver === "heun" && following < 1) {
      const after = moved(speed);
      const second = velocity(predict(after, following), after, following);
      speed = speed.map((value, i) => (value + second[i]) / 2);
    }
    x = moved(speed);
  }
  return x;
}
