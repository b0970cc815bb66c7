"""What stands around the loops of a C network: comments, declarations, its ``main`` and the header."""

__all__ = ["ABOUT", "FILTER", "HEADER", "MAIN", "PROTOTYPES", "STRUCTURES", "TRACE"]

ABOUT = """\
/*
 * A quantised network, written by ana-search: C99, integers only, no heap, no library.
 *
 *     cc -std=c99 -O2 FILE.c && ./a.out < images.raw
 *
 * prints the class of every image of $pixels bytes (channels, rows, columns). To call it from a program of your own,
 * compile with -D${macro}_LIBRARY and include the header. Not re-entrant: the memory is static.
 * Scores are logits times 2 to the power $shift, rounded.
 */
"""
TRACE = """\
/* For the check of every layer's codes when the file was written; does nothing otherwise. */
#ifdef ANA_SEARCH_TRACE
#define TRACE(values, bytes) fwrite(values, 1, bytes, stdout)
#else
#define TRACE(values, bytes) ((void)0)
#endif
"""
PROTOTYPES = """\
/* The scores of the $classes classes for an image of $pixels bytes. */
void ${name}_scores(const uint8_t *pixels, $score *scores);
/* The class with the highest score, the first of equals. */
int32_t ${name}_class(const uint8_t *pixels);
"""
HEADER = """\
/* Written by ana-search. */
#ifndef ${macro}_H
#define ${macro}_H

#include <stdint.h>

#define ${macro}_PIXELS $pixels
#define ${macro}_CLASSES $classes

#ifdef __cplusplus
extern "C" {
#endif
$prototypes
#ifdef __cplusplus
}
#endif
#endif
"""

STRUCTURES = """\
/* How a window moves: of a convolution (a linear map is one on a single position) or of a pool. */
typedef struct {
    int32_t in_channels, in_height, in_width, out_channels, out_height, out_width;
    int32_t kernel_height, kernel_width, stride_height, stride_width, pad_height, pad_width;
    int32_t dilation_height, dilation_width, groups;
} window;
"""

FILTER = """\
/* The weights of one output channel, unpacked. */
static int8_t filter[$size];
"""

MAIN = """\
int32_t ${name}_class(const uint8_t *pixels)
{
    $score scores[$classes];
    int32_t k, best = 0;
    ${name}_scores(pixels, scores);
    for (k = 1; k < $classes; k++) {
        if (scores[k] > scores[best]) {
            best = k;
        }
    }
    return best;
}

#ifndef ${macro}_LIBRARY
/* Reads images of $pixels bytes from the standard input and prints the class of each. */
int main(void)
{
    static uint8_t pixels[$pixels];
    while (fread(pixels, 1, $pixels, stdin) == $pixels) {
#ifdef ANA_SEARCH_TRACE
        $score scores[$classes];
        ${name}_scores(pixels, scores);
        fwrite(scores, sizeof scores, 1, stdout);
#else
        printf("%d\\n", (int)${name}_class(pixels));
#endif
    }
    return ferror(stdin) || fflush(stdout) ? 1 : 0;
}
#endif
"""
