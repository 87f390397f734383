// The stops of the tour of a page of images.

const STOPS = [
  {
    title: "Tokens and embeddings",
    text: `The prompt is split into tokens, which are words or parts of words. The model replaces each token by its embedding: a vector of ${description.model.dim} numbers from a table that was learned in training. An encoder then lets the tokens attend to each other.`,
    show: () => visit({ kind: "cross" }),
    find: () => $("prompt"),
  },
  {
    title: "Noise and steps",
    text: "Drawing begins with random numbers, which the seed determines. At each step the model predicts the clean image, and the noisy image moves towards it.",
    show: () => go({ step: 0 }),
    find: () => $("stages"),
  },
  {
    title: "Query, key and value",
    text: "Each patch of the image has a query vector. Each word has a key vector and a value vector. The score of a patch and a word is the dot product of query and key. The softmax makes weights of the scores, and the patch receives the sum of the values, each multiplied by its weight.",
    show: () => visit({ kind: "cross" }),
    find: () => $("words"),
  },
  {
    title: "Weights",
    text: "The weights of a patch are positive and their sum is 1. The picture shows where the weights of the selected word are large.",
    show: () => visit({ kind: "cross" }),
    find: () => $("patches"),
  },
  {
    title: "Heads and layers",
    text: "Each layer has several heads with their own queries, keys and values, and adds its result to the vector of each patch. Rows are layers, columns are heads.",
    show: () => visit({ kind: "cross" }),
    find: () => $("heads"),
  },
  {
    title: "Guidance",
    text: "Each step also predicts an image without the prompt. The difference of the two predictions is multiplied by the guidance: a larger value follows the prompt more closely, with less variety.",
    show: () => {},
    find: () => $("draw-guidance").parentNode,
  },
];
