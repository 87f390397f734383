"""The live page: one self-contained HTML file with a model, its tokenizers and the JavaScript that runs them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256

from regard.exchange.page.deviation import random_examples
from regard.exchange.page.engine import worker_source
from regard.exchange.page.live import Live
from regard.inference.generator import TextGenerator
from regard.observe.draw.kernels_packing import pack_mixers
from regard.observe.draw.packing import pack_common
from regard.observe.draw.page_template import load_template
from regard.observe.record.mixers import describe_mixers
from regard.observe.record.trace import trace_example

MAX_KERNEL_BYTES = 4 * 2**20


def render_live_page(
    generator: TextGenerator, live: Live, form: str, facts: Mapping[str, str], deviation: str, example: str
) -> str:
    """Return the HTML of the page of a model.

    form: what is entered and computed, a name of ``templates/live/form``
    facts, deviation: about the model, plain text
    example: the input that the page is opened with
    """
    recorded = trace_example(generator, random_examples(generator)[0])
    mixers = pack_mixers(recorded.mixers, MAX_KERNEL_BYTES)
    style = load_template("live/style.css.jinja").render()
    script = load_template("live/script.js.jinja").render(form=form)
    noun = generator.noun.removeprefix("a ").removeprefix("an ")
    return load_template("live/page.html.jinja").render(
        title=noun[0].upper() + noun[1:],
        form=form,
        facts=dict(facts),
        deviation=deviation,
        mixers=describe_mixers(recorded.mixers),
        left_out=f"kernels of {mixers.left_out:,} channels" if mixers.left_out else "",
        data=pack_common(recorded.maps) | {"mixers": mixers.data, "notes": [], "sentences": []},
        description=live.description,
        example=example,
        weights=live.weights,
        worker=worker_source(),
        style=style,
        style_hash=source_hash(style),
        script=script,
        script_hash=source_hash(script),
    )


def source_hash(text: str) -> str:
    """Return the source expression of a content security policy that allows one inline script or style."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode('ascii')}'"
