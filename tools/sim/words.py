"""What near-lossless coding costs in words: offline recognition of the sample speech, as it was
heard and as it arrived, against what is spoken in it (tools/sim/sample/README.md).
"""

import numpy as np

MAY_LOSE_WORDS = 3
# Length of each utterance of the sample in samples at 16 kHz, and its words.
UTTERANCES = (
    (
        113_600,
        "and mister john dashwood had then leisure to consider how much there might be "
        "prudently in his power to do for them",
    ),
    (47_840, "he was not an ill disposed young man"),
    (84_800, "unless to be rather cold hearted and rather selfish is to be ill disposed"),
    (
        96_800,
        "had he married a more amiable woman he might have been made still more respectable "
        "than he was",
    ),
    (52_640, "he might even have been made amiable himself"),
)
WORDS = sum(len(text.split()) for _, text in UTTERANCES)


def word_errors(said: str, spoken: str) -> int:
    """Words to insert, delete or exchange to get from said to spoken (Levenshtein distance)."""
    row = list(range(len(spoken.split()) + 1))
    for i, word in enumerate(said.split(), 1):
        diagonal, row[0] = row[0], i
        for j, wanted in enumerate(spoken.split(), 1):
            best = min(row[j] + 1, row[j - 1] + 1, diagonal + (word != wanted))
            diagonal, row[j] = row[j], best
    return row[-1]


def count_errors(samples: np.ndarray) -> int:
    """Words of the sample that the recogniser (make asr) gets wrong in samples, 16 bit, 16 kHz."""
    import pocketsphinx

    errors = position = 0
    for length, spoken in UTTERANCES:
        decoder = pocketsphinx.Decoder(samprate=16_000, loglevel="FATAL")
        decoder.start_utt()
        decoder.process_raw(samples[position : position + length].tobytes(), full_utt=True)
        decoder.end_utt()
        hypothesis = decoder.hyp()
        errors += word_errors(hypothesis.hypstr if hypothesis else "", spoken)
        position += length
    return errors
