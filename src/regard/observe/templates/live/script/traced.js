// The sentences of this visit in the views below, latest first.

const KEPT_SENTENCES = 8;

function showTraced({ sentence, floats }) {
  const isFirst = data.sentences.length === 0;
  const isOther = ({ sourceText, targetText }) =>
    sourceText !== sentence.sourceText || targetText !== sentence.targetText;
  unpacked.set(sentence, floats);
  data.sentences = [sentence, ...data.sentences.filter(isOther)].slice(0, KEPT_SENTENCES);
  $("traced").hidden = false;
  $("earlier").hidden = data.sentences.length === 1;
  $("take-tour").disabled = false;
  if (isFirst) readAddress(true);
  else go({ sentence: 0, query: null, key: null, token: null }, true);
}
