// The stops of the tour of a page of text.

// A weight of the selected head for the stops about attention: the largest one that leaves some weight to other keys.
function instructive() {
  const { queries, keys, row } = shownWeights();
  const cells = queries.flatMap((_, query) => row(query).map((weight, key) => ({ query, key, weight })));
  const shared = cells.filter(({ weight }) => weight < 0.9);
  const { query, key } = (shared.length ? shared : cells).reduce((a, b) => (b.weight > a.weight ? b : a));
  return { query, key };
}

const showHead = () => go({ view: "attention", shape: state.shape === "map" ? "lines" : state.shape, units: "pieces" });
const showWeight = () => {
  showHead();
  go(instructive());
};

// view: that a stop needs; show: what is selected; find: the element
const STOPS = [
  {
    title: "Tokens and embeddings",
    text: `The text is split into tokens, which are words or parts of words. The model replaces each token by its embedding: a vector of ${description.model.dim} numbers from a table that was learned in training.`,
    view: VIEWS[0],
    show: () => (HAS_MAPS ? showHead() : go({ view: VIEWS[0] })),
    find: () => (HAS_MAPS && shapeOf() === "lines" ? $("keys") : $("chips").firstChild ? $("chips") : $("input")),
  },
  {
    title: "Query and key",
    text: "Attention moves information between tokens. A token that looks for information has a query vector. A token that can give information has a key vector. The score of the two is their dot product, divided by the square root of their length.",
    view: "attention",
    show: showWeight,
    find: () => document.querySelector("#origin .step:nth-child(1)"),
  },
  {
    title: "Weights",
    text: "The softmax makes weights of the scores of a query: they are positive and their sum is 1. A weight is the share of the attention that a key gets. Lines and maps on this page show these weights.",
    view: "attention",
    show: showWeight,
    find: () => document.querySelector("#origin .step:nth-child(2)"),
  },
  {
    title: "Value",
    text: "Each key token also has a value vector. The output of the head is the sum of all values, each multiplied by its weight. This is what the query token receives.",
    view: "attention",
    show: showWeight,
    find: () => document.querySelector("#origin .step:nth-child(3)"),
  },
  {
    title: "Heads and layers",
    text: "A layer has several heads. Each computes its own queries, keys and values, so that it attends to other tokens. Rows are layers, columns are heads. Select a head to see its weights.",
    view: "attention",
    show: () => go({ view: "attention", query: null, key: null }),
    find: () => $("all"),
  },
  {
    title: "Kernels",
    text: "These layers use a state-space model and not attention. The kernel of a channel shows how much of an earlier input is left in the output, by the distance between them.",
    view: "kernels",
    show: () => go({ view: "kernels" }),
    find: () => $("stack"),
  },
  {
    title: "Layer by layer",
    text: "Each layer adds its result to the vector of each token. This table has the probability of each token if the prediction were made after that layer. It usually increases towards the last layer.",
    view: "layers",
    show: () => go({ view: "layers" }),
    find: () => $("overview"),
  },
  {
    title: "Likelihood",
    text: "The vector after the last layer gives a logit for every token of the vocabulary, and the softmax of the logits gives probabilities. The colour shows the probability of the token in the text. The likelihood of the text is the product of these probabilities.",
    view: "likelihood",
    show: () => go({ view: "likelihood" }),
    find: () => $("text"),
  },
  {
    title: "Temperature",
    text: "Logits are divided by the temperature before the softmax. Below 1, likely tokens become more likely. Above 1, the probabilities become more equal. Move the slider to see it.",
    view: "likelihood",
    show: () => go({ view: "likelihood" }),
    find: () => document.querySelector(".slider"),
  },
].filter(({ view }) => VIEWS.includes(view));
