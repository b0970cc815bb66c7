"""The loops of a C network, as texts: ``$`` names are types, filled in for the types that a network needs."""

__all__ = ["KERNELS"]

KERNELS = {
    "unpack": """\
static void $name(const uint8_t *packed, int32_t first, int32_t count)
{
    int32_t i;
    for (i = 0; i < count; i++) {
        const int32_t at = first + i;
        const int32_t bits = (packed[at / $per_byte] >> (at % $per_byte * $bits)) & $mask;
        filter[i] = (int8_t)((bits ^ $half) - $half); /* the sign is the topmost bit */
    }
}
""",
    "reached": """\
static int32_t $name(int32_t value, const $cut *cuts, int32_t count)
{
    int32_t low = 0, high = count;
    while (low < high) {
        const int32_t middle = (low + high) / 2;
        if (value >= cuts[middle]) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}
""",
    "on_line": """\
/* The whole number that a line has reached, from 0 to count. */
static int32_t $name(int64_t value, int32_t shift, int32_t count)
{
    if (value < 0) {
        return 0;
    }
    value >>= shift;
    return value > count ? count : (int32_t)value;
}
""",
    "occurs": """\
static int32_t $name(int32_t value, const int32_t *values, int32_t count)
{
    int32_t i, found = 0;
    for (i = 0; i < count; i++) {
        found += value == values[i];
    }
    return found;
}
""",
    "map": """\
static void $name(const $in *in, $out *out, const uint8_t *weight, const window *w$extra)
{
    const int32_t fan_in = w->in_channels / w->groups;
    const int32_t taps = w->kernel_height * w->kernel_width, area = w->in_height * w->in_width;
    int32_t o, y, x, i, ky, kx;
    for (o = 0; o < w->out_channels; o++) {
        const $in *from = in + o / (w->out_channels / w->groups) * fan_in * area;
        $unpack(weight, o * fan_in * taps, fan_in * taps);
        for (y = 0; y < w->out_height; y++) {
            for (x = 0; x < w->out_width; x++) {
                const int32_t top = y * w->stride_height - w->pad_height;
                const int32_t left = x * w->stride_width - w->pad_width;
                const int8_t *factor = filter;
                int32_t sum = 0;
                for (i = 0; i < fan_in; i++) {
                    for (ky = 0; ky < w->kernel_height; ky++, factor += w->kernel_width) {
                        const int32_t row = top + ky * w->dilation_height;
                        if (row < 0 || row >= w->in_height) {
                            continue;
                        }
                        for (kx = 0; kx < w->kernel_width; kx++) {
                            const int32_t column = left + kx * w->dilation_width;
                            if (column >= 0 && column < w->in_width) {
                                sum += factor[kx] * from[(i * w->in_height + row) * w->in_width + column];
                            }
                        }
                    }
                }
                *out++ = $store;
            }
        }
    }
}
""",
    "thresholds": """\
static void $name(const $in *in, $out *out, const $cut *cuts, int32_t count, const $out *levels, int32_t channels,
                  int32_t positions)
{
    int32_t c, i;
    for (c = 0; c < channels; c++) {
        for (i = 0; i < positions; i++) {
            *out++ = levels[$reached(*in++, cuts + c * count, count)];
        }
    }
}
""",
    "side_thresholds": """\
static void $name(const $in *in, const $other *side, $out *out, const $cut *cuts, int32_t count, const $out *levels,
                  int32_t channels, int32_t positions, int32_t sides, int32_t side_low)
{
    int32_t c, i;
    for (c = 0; c < channels; c++) {
        for (i = 0; i < positions; i++) {
            *out++ = levels[$reached(*in++, cuts + (c * sides + *side++ - side_low) * count, count)];
        }
    }
}
""",
    "input_table": """\
static void $name(const uint8_t *in, $out *out, const $out *table, int32_t rows, int32_t channels, int32_t positions)
{
    int32_t c, i;
    for (c = 0; c < channels; c++) {
        for (i = 0; i < positions; i++) {
            *out++ = table[c % rows * 256 + *in++];
        }
    }
}
""",
    "max_pool": """\
static void $name(const $in *in, $out *out, const window *w)
{
    int32_t c, y, x, ky, kx;
    for (c = 0; c < w->out_channels; c++, in += w->in_height * w->in_width) {
        for (y = 0; y < w->out_height; y++) {
            for (x = 0; x < w->out_width; x++) {
                int32_t best = INT32_MIN;
                for (ky = 0; ky < w->kernel_height; ky++) {
                    const int32_t row = y * w->stride_height - w->pad_height + ky * w->dilation_height;
                    for (kx = 0; kx < w->kernel_width; kx++) {
                        const int32_t column = x * w->stride_width - w->pad_width + kx * w->dilation_width;
                        if (row >= 0 && row < w->in_height && column >= 0 && column < w->in_width
                            && in[row * w->in_width + column] > best) {
                            best = in[row * w->in_width + column];
                        }
                    }
                }
                *out++ = ($out)best;
            }
        }
    }
}
""",
    "window_sum": """\
static void $name(const $in *in, $out *out, const window *w)
{
    int32_t c, y, x, ky, kx;
    for (c = 0; c < w->out_channels; c++, in += w->in_height * w->in_width) {
        for (y = 0; y < w->out_height; y++) {
            for (x = 0; x < w->out_width; x++) {
                int32_t sum = 0;
                for (ky = 0; ky < w->kernel_height; ky++) {
                    const int32_t row = y * w->stride_height - w->pad_height + ky;
                    for (kx = 0; kx < w->kernel_width; kx++) {
                        const int32_t column = x * w->stride_width - w->pad_width + kx;
                        if (row >= 0 && row < w->in_height && column >= 0 && column < w->in_width) {
                            sum += in[row * w->in_width + column];
                        }
                    }
                }
                *out++ = ($out)sum;
            }
        }
    }
}
""",
    "global_sum": """\
static void $name(const $in *in, $out *out, int32_t channels, int32_t positions)
{
    int32_t c, i;
    for (c = 0; c < channels; c++) {
        int32_t sum = 0;
        for (i = 0; i < positions; i++) {
            sum += *in++;
        }
        *out++ = ($out)sum;
    }
}
""",
    "reflect": """\
static void $name(const $in *in, $out *out, const uint8_t *mask, int32_t total, int32_t channels, int32_t positions)
{
    int32_t c, i;
    for (c = 0; c < channels; c++) {
        for (i = 0; i < positions; i++, in++) {
            *out++ = ($out)(mask[c] ? total - *in : *in);
        }
    }
}
""",
    "add": """\
static void $name(const $in *left, const $other *right, $out *out, int32_t left_factor, int32_t right_factor,
                  int32_t count)
{
    int32_t i;
    for (i = 0; i < count; i++) {
        out[i] = ($out)(left_factor * left[i] + right_factor * right[i]);
    }
}
""",
    "multiply": """\
static void $name(const $in *left, const $other *right, $out *out, int32_t count)
{
    int32_t i;
    for (i = 0; i < count; i++) {
        out[i] = ($out)(left[i] * right[i]);
    }
}
""",
    "clamp": """\
static void $name(const $in *in, $out *out, int32_t low, int32_t high, int32_t count)
{
    int32_t i;
    for (i = 0; i < count; i++) {
        out[i] = ($out)(in[i] < low ? low : in[i] > high ? high : in[i]);
    }
}
""",
    "subsample": """\
static void $name(const $in *in, $out *out, int32_t channels, int32_t height, int32_t width, int32_t step)
{
    int32_t c, y, x;
    for (c = 0; c < channels; c++) {
        for (y = 0; y < height; y += step) {
            for (x = 0; x < width; x += step) {
                *out++ = in[(c * height + y) * width + x];
            }
        }
    }
}
""",
    "pad_channels": """\
static void $name(const $in *in, $out *out, int32_t before, int32_t after, int32_t count)
{
    int32_t i;
    for (i = 0; i < before; i++) {
        *out++ = 0;
    }
    for (i = 0; i < count; i++) {
        *out++ = in[i];
    }
    for (i = 0; i < after; i++) {
        *out++ = 0;
    }
}
""",
    "classifier": """\
static void $name(const $in *in, $score *scores, const $weight *weight, const $score *bias, int32_t classes,
                  int32_t features)
{
    int32_t k, i;
    for (k = 0; k < classes; k++) {
        $score sum = bias[k];
        for (i = 0; i < features; i++) {
            sum += ($score)*weight++ * in[i];
        }
        scores[k] = sum;
    }
}
""",
    "rescale": """\
static void $name(const $in *in, $score *scores, const $weight *weight, const $score *bias, int32_t classes)
{
    int32_t k;
    for (k = 0; k < classes; k++) {
        scores[k] = ($score)weight[k] * in[k] + bias[k];
    }
}
""",
}
