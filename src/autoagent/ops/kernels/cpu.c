/* One fused optimizer step over all parameters on the CPU.
 *
 * The number formats and the dither are defined in ops/codes.py, the arithmetic in the rules of ops/optim; both are repeated
 * here operation by operation. Build without fused multiply-add (-ffp-contract=off) and without -ffast-math: the codes must be
 * those of the reference, bit for bit. Portable C: the loops are written so that a compiler vectorises them.
 *
 * A library is built for one rule and one way of storing: -DRULE=adamw -DBITS=8 -DBLOCK=256; it does 32-bit states as well.
 *
 * A tensor is divided into units: one block with 8-bit states, two blocks (which share bytes) with 4 bits, 1024 values with 32.
 * Threads take equal ranges of the units of all tensors together.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#define INLINE static inline __attribute__((always_inline))
#define ALIGNED __attribute__((aligned(64)))
#define JOIN(a, b) a##b
#define NAMED(prefix, name) JOIN(prefix, name)
#define WIDE_UNIT 1024
#define AHEAD 2
#define LATTICE 0x9E370000u
#define HALF_STEP 0x8000u
#define NEAREST 0x80000000u
#define LARGEST_GRADIENT 0x5F000000u /* bits of 2**63 */
#define SMALLEST_ABSMAX 0x00800000u  /* bits of 2**-126 */
#define LARGEST 0x7F000000u          /* bits of 2**127 */
#define BF16 1 /* the values of `dtype`; 0 is fp32 */
#define FP16 2

#if BITS == 4
#define QUANTIZED_UNIT (2 * BLOCK)
#else
#define QUANTIZED_UNIT BLOCK
#endif
#define LARGEST_UNIT (QUANTIZED_UNIT > WIDE_UNIT ? QUANTIZED_UNIT : WIDE_UNIT)

typedef struct {
    void *param;
    const void *grad;
    void *state[3];
    float *absmax[3];
    int64_t numel, first_unit;
    uint32_t salt;
    int32_t numbers, bits, dtype, stochastic, unused;
} tensor;

typedef struct {
    float h[8];
    uint32_t round_key;
} numbers;

INLINE uint32_t bits_of(float x) { uint32_t u; memcpy(&u, &x, 4); return u; }
INLINE float float_of(uint32_t u) { float x; memcpy(&x, &u, 4); return x; }
INLINE uint32_t mix(uint32_t w) {
    w = (w ^ (w >> 16)) * 0x85EBCA6Bu;
    w = (w ^ (w >> 13)) * 0xC2B2AE35u;
    return w ^ (w >> 16);
}

/* ---- Number formats (ops/codes.py) ---- */
#define BASE(bits, sign) ((bits) == 8 ? ((sign) ? 998768640 : 797966336) : ((sign) ? 1035993088 : 939524096))
#define SHIFT(bits, sign) ((bits) == 8 ? ((sign) ? 19 : 20) : ((sign) ? 22 : 23))
#define TOP(bits, sign) ((1 << ((bits) - (sign))) - 1)

INLINE float floor_of(int bits, int sign) { return bits == 4 && !sign ? 0.0f : float_of((uint32_t)BASE(bits, sign)); }

INLINE float decode(int32_t code, float absmax, int bits, int sign) {
    const float floor = floor_of(bits, sign), rescale = 1.0f / (1.0f - floor);
    float y = float_of((uint32_t)(((code & TOP(bits, sign)) << SHIFT(bits, sign)) + BASE(bits, sign)));
    if (!(bits == 4 && !sign)) y -= floor;
    if (sign) y *= rescale;
    y *= absmax;
    return sign ? float_of(bits_of(y) ^ ((uint32_t)(code >> (bits - 1)) << 31)) : y;
}

/* `word` is the dither word: 16 bits, then half of the 17th. The base is a multiple of the step, so it is taken off after
 * the shift, where only a byte of the code is left. */
INLINE uint8_t encode(float x, float inverse, uint32_t word, int bits, int sign) {
    const int shift = SHIFT(bits, sign);
    float y = (sign ? float_of(bits_of(x) & 0x7FFFFFFFu) : x) * inverse;
    if (!(bits == 4 && !sign)) y += floor_of(bits, sign);
    uint32_t offset = bits_of(y) + (word >> (32 - shift));
    if (bits == 4 && !sign) { /* the other formats cannot fall below their floor */
        int32_t above = (int32_t)offset - BASE(bits, sign);
        return (uint8_t)((above > 0 ? above : 0) >> shift);
    }
    uint8_t code = (uint8_t)((uint8_t)(offset >> shift) - (uint8_t)(BASE(bits, sign) >> shift));
    return sign ? (uint8_t)(code | (uint8_t)(bits_of(x) >> 31 << (bits - 1))) : code;
}

/* ---- Rules (the update functions in ops/optim) ---- */
#define DEFINE(name) INLINE void rule_##name(float *p, float g, float *a, float *b, float *c, const float *h)
#define UNUSED(x) (void)(x)

DEFINE(adamw) {
    UNUSED(c);
    *p *= h[0];
    *a += (g - *a) * h[1];
    *b = *b * h[2] + (g * g) * h[3];
    *p -= (*a * h[4]) / (sqrtf(*b) + h[5]);
}
DEFINE(adam) {
    UNUSED(c);
    g += *p * h[0];
    *a += (g - *a) * h[1];
    *b = *b * h[2] + (g * g) * h[3];
    *p -= (*a * h[4]) / (sqrtf(*b) + h[5]);
}
DEFINE(nadamw) {
    UNUSED(c);
    *p *= h[0];
    *a += (g - *a) * h[1];
    *b = *b * h[2] + (g * g) * h[3];
    *p -= ((*a + (g - *a) * h[1]) * h[4]) / (sqrtf(*b) + h[5]);
}
DEFINE(sgd) {
    UNUSED(a); UNUSED(b); UNUSED(c);
    *p -= (g + *p * h[0]) * h[1];
}
DEFINE(sgd_momentum) {
    UNUSED(b); UNUSED(c);
    g += *p * h[0];
    *a = *a * h[1] + g * h[2];
    *p -= (g * h[3] + *a * h[4]) * h[5];
}
DEFINE(lion) {
    UNUSED(b); UNUSED(c);
    *p *= h[0];
    float u = *a + (g - *a) * h[1];
    *p -= (float)((u > 0.0f) - (u < 0.0f)) * h[2];
    *a += (g - *a) * h[3];
}
DEFINE(adagrad) {
    UNUSED(b); UNUSED(c);
    g += *p * h[0];
    *a += g * g;
    *p -= (g * h[1]) / (sqrtf(*a) + h[2]);
}
INLINE void rmsprop_any(float *p, float g, float *v, float *mean, float *momentum, const float *h) {
    g += *p * h[0];
    *v = *v * h[1] + (g * g) * h[2];
    float spread = *v;
    if (mean) {
        *mean += (g - *mean) * h[2];
        spread -= *mean * *mean;
        spread = spread > 0.0f ? spread : 0.0f;
    }
    float step = g / (sqrtf(spread) + h[3]);
    if (momentum) step = *momentum = *momentum * h[4] + step;
    *p -= step * h[5];
}
DEFINE(rmsprop) { UNUSED(b); UNUSED(c); rmsprop_any(p, g, a, 0, 0, h); }
DEFINE(rmsprop_momentum) { UNUSED(c); rmsprop_any(p, g, a, 0, b, h); }
DEFINE(rmsprop_centered) { UNUSED(c); rmsprop_any(p, g, a, b, 0, h); }
DEFINE(rmsprop_centered_momentum) { rmsprop_any(p, g, a, b, c, h); }
DEFINE(ademamix) {
    *p *= h[0];
    *a += (g - *a) * h[1];
    *b += (g - *b) * h[2];
    *c = *c * h[3] + (g * g) * h[4];
    *p -= (*a * h[5] + *b * h[6]) / (sqrtf(*c) + h[7]);
}

/* ---- One unit ---- */
typedef struct {
    float *p;
    const float *g;
    void *state[3];
    float *absmax[3];
    uint32_t key;
    int64_t unit;
    int stochastic;
} work;

/* Read a state value; j counts inside the half (4 bits) or unit. */
INLINE float load(const void *state, int j, int half, int block, float absmax, int bits, int sign) {
    if (bits == 32) return ((const float *)state)[half * block + j];
    int32_t code = ((const uint8_t *)state)[j];
    if (bits == 4) code = (code >> (4 * half)) & 15;
    return decode(code, absmax, bits, sign);
}

/* The scale of a block from the largest bits seen in it; cleans the values if one is not finite or too large. */
static float scale_of(float *x, int n, int32_t most) {
    if ((uint32_t)most < SMALLEST_ABSMAX) return 0.0f;
    if ((uint32_t)most <= LARGEST) return float_of((uint32_t)most);
    uint32_t found = 0;
    for (int j = 0; j < n; j++) {
        uint32_t sign = bits_of(x[j]) & 0x80000000u, size = bits_of(x[j]) & 0x7FFFFFFFu;
        size = size >= 0x7F800000u ? 0u : size > LARGEST ? LARGEST : size;
        x[j] = float_of(size ? sign | size : 0u);
        found = size > found ? size : found;
    }
    return found < SMALLEST_ABSMAX ? 0.0f : float_of(found);
}

INLINE uint32_t shift_of(uint32_t key, int slot, int64_t block) {
    return mix(key + (uint32_t)slot * 0x7F4A7C15u + (uint32_t)block * 0x9E3779B1u) & 0xFFFF0000u;
}

typedef void rule_function(float *, float, float *, float *, float *, const float *);

/* The three slots as constants, the first one last: 0 absent, 1 signed, 2 unsigned; +4 for slow ones. */
#define KINDS_adamw 0x061
#define KINDS_adam 0x061
#define KINDS_nadamw 0x061
#define KINDS_sgd 0x000
#define KINDS_sgd_momentum 0x001
#define KINDS_lion 0x005
#define KINDS_adagrad 0x006
#define KINDS_rmsprop 0x006
#define KINDS_rmsprop_momentum 0x016
#define KINDS_rmsprop_centered 0x056
#define KINDS_rmsprop_centered_momentum 0x156
#define KINDS_ademamix 0x651
#define KIND(kinds, s) (((kinds) >> (4 * (s))) & 15)
#define SIGNED(kinds, s) ((KIND(kinds, s) & 3) == 1)
#define HAS(kinds, s) (KIND(kinds, s) != 0)

INLINE void update_half(const work *w, float *x[3], int32_t most[3], int half, int block, int bits, int kinds, int careful,
                        rule_function *rule, const float *h) {
    float *restrict p = w->p + half * block;
    const float *restrict g = w->g + half * block;
    const void *s0 = w->state[0], *s1 = w->state[1], *s2 = w->state[2];
    float *restrict x0 = x[0], *restrict x1 = x[1], *restrict x2 = x[2];
    const float m0 = bits < 32 && HAS(kinds, 0) ? w->absmax[0][half] : 0.0f;
    const float m1 = bits < 32 && HAS(kinds, 1) ? w->absmax[1][half] : 0.0f;
    const float m2 = bits < 32 && HAS(kinds, 2) ? w->absmax[2][half] : 0.0f;
    int32_t most0 = 0, most1 = 0, most2 = 0;
#pragma omp simd reduction(max : most0, most1, most2)
    for (int j = 0; j < block; j++) {
        float q = p[j], grad = g[j], a = 0.0f, b = 0.0f, c = 0.0f;
        if (HAS(kinds, 0)) a = load(s0, j, half, block, m0, bits, SIGNED(kinds, 0));
        if (HAS(kinds, 1)) b = load(s1, j, half, block, m1, bits, SIGNED(kinds, 1));
        if (HAS(kinds, 2)) c = load(s2, j, half, block, m2, bits, SIGNED(kinds, 2));
        const float q_old = q, a_old = a, b_old = b, c_old = c;
        const int usable = (bits_of(grad) & 0x7FFFFFFFu) <= LARGEST_GRADIENT;
        rule(&q, careful && !usable ? 0.0f : grad, &a, &b, &c, h);
        if (careful) {
            q = usable ? q : q_old;
            a = usable ? a : a_old;
            b = usable ? b : b_old;
            c = usable ? c : c_old;
        }
        p[j] = q;
        if (HAS(kinds, 0)) x0[j] = a;
        if (HAS(kinds, 1)) x1[j] = b;
        if (HAS(kinds, 2)) x2[j] = c;
        if (bits < 32) {
            int32_t n0 = (int32_t)(bits_of(a) & 0x7FFFFFFFu), n1 = (int32_t)(bits_of(b) & 0x7FFFFFFFu);
            int32_t n2 = (int32_t)(bits_of(c) & 0x7FFFFFFFu);
            if (HAS(kinds, 0)) most0 = n0 > most0 ? n0 : most0;
            if (HAS(kinds, 1)) most1 = n1 > most1 ? n1 : most1;
            if (HAS(kinds, 2)) most2 = n2 > most2 ? n2 : most2;
        }
    }
    most[0] = most0, most[1] = most1, most[2] = most2;
}

INLINE void encode_all(uint8_t *restrict codes, const float *restrict low, const float *restrict high, const float *inverse,
                       const uint32_t *start, uint32_t stride, int block, int bits, int sign) {
    const float inverse0 = inverse[0], inverse1 = inverse[1];
    const uint32_t start0 = start[0], start1 = start[1];
    if (bits == 8) {
        for (int j = 0; j < block; j++) codes[j] = encode(low[j], inverse0, start0 + (uint32_t)j * stride, 8, sign);
    } else {
        for (int j = 0; j < block; j++) {
            uint8_t even = encode(low[j], inverse0, start0 + (uint32_t)j * stride, 4, sign);
            uint8_t odd = encode(high[j], inverse1, start1 + (uint32_t)j * stride, 4, sign);
            codes[j] = (uint8_t)(even | odd << 4);
        }
    }
}

INLINE void write_slot(const work *w, float *x, const int32_t most[2], int slot, int block, int bits, int kinds) {
    const int halves = bits == 4 ? 2 : 1, sign = SIGNED(kinds, slot), slow = KIND(kinds, slot) & 4;
    float inverse[2] = {0.0f, 0.0f};
    uint32_t start[2] = {NEAREST, NEAREST};
    for (int i = 0; i < halves; i++) {
        float absmax = w->absmax[slot][i] = scale_of(x + i * block, block, most[i]);
        inverse[i] = absmax > 0.0f ? (1.0f - floor_of(bits, sign)) / absmax : 0.0f;
        if (slow && w->stochastic) start[i] = shift_of(w->key, slot, w->unit * halves + i) | HALF_STEP;
    }
    if (slow && w->stochastic) /* two loops, so that the stride is a constant in each */
        encode_all(w->state[slot], x, x + block, inverse, start, LATTICE, block, bits, sign);
    else
        encode_all(w->state[slot], x, x + block, inverse, start, 0, block, bits, sign);
}

INLINE int is_usable(const float *g, int n) {
    int32_t most = 0;
#pragma omp simd reduction(max : most)
    for (int j = 0; j < n; j++) {
        int32_t size = (int32_t)(bits_of(g[j]) & 0x7FFFFFFFu);
        most = size > most ? size : most;
    }
    return (uint32_t)most <= LARGEST_GRADIENT;
}

/* 8- and 4-bit states: update into a buffer that stays in cache, then encode it. */
INLINE void quantized_unit(const work *w, int block, int bits, int kinds, rule_function *rule, const float *h) {
    float buffer[3][LARGEST_UNIT] ALIGNED;
    int32_t most[3][2] = {{0, 0}, {0, 0}, {0, 0}};
    const int halves = bits == 4 ? 2 : 1, usable = is_usable(w->g, halves * block);
    for (int half = 0; half < halves; half++) {
        float *x[3] = {buffer[0] + half * block, buffer[1] + half * block, buffer[2] + half * block};
        int32_t found[3];
        if (usable)
            update_half(w, x, found, half, block, bits, kinds, 0, rule, h);
        else
            update_half(w, x, found, half, block, bits, kinds, 1, rule, h);
        for (int s = 0; s < 3; s++) most[s][half] = found[s];
    }
    if (HAS(kinds, 0)) write_slot(w, buffer[0], most[0], 0, block, bits, kinds);
    if (HAS(kinds, 1)) write_slot(w, buffer[1], most[1], 1, block, bits, kinds);
    if (HAS(kinds, 2)) write_slot(w, buffer[2], most[2], 2, block, bits, kinds);
}

INLINE void wide_unit(const work *w, int n, int kinds, rule_function *rule, const float *h) {
    float *x[3] = {w->state[0], w->state[1], w->state[2]};
    int32_t most[3];
    if (is_usable(w->g, n))
        update_half(w, x, most, 0, n, 32, kinds, 0, rule, h);
    else
        update_half(w, x, most, 0, n, 32, kinds, 1, rule, h);
}

/* ---- bf16 and fp16 ---- */
static void widen(float *restrict out, const uint16_t *restrict in, int n, int dtype) {
    if (dtype == BF16) {
        for (int j = 0; j < n; j++) out[j] = float_of((uint32_t)in[j] << 16);
        return;
    }
    for (int j = 0; j < n; j++) {
        const uint32_t size = in[j] & 0x7FFFu, sign = (uint32_t)(in[j] & 0x8000u) << 16;
        const uint32_t small = bits_of((float)(int32_t)size * 0x1p-24f); /* subnormal: right also where the CPU flushes them */
        const uint32_t other = (size << 13) + (size >= 0x7C00u ? 0x70000000u : 0x38000000u);
        out[j] = float_of(sign | (size < 0x0400u ? small : other));
    }
}

static void narrow_half(uint16_t *restrict out, const float *restrict in, int n) {
    for (int j = 0; j < n; j++) {
        const uint32_t size = bits_of(in[j]) & 0x7FFFFFFFu, sign = bits_of(in[j]) >> 16 & 0x8000u;
        /* Below the normal numbers an addition whose last place is 2**-24 rounds, to even as the other branch. */
        const uint32_t small = bits_of(float_of(size) + 0.5f) - 0x3F000000u;
        const uint32_t normal = (size + 0x0FFFu + (size >> 13 & 1u) - 0x38000000u) >> 13;
        const uint32_t large = size > 0x7F800000u ? 0x7E00u : 0x7C00u;
        out[j] = (uint16_t)(sign | (size < 0x38800000u ? small : size < 0x47800000u ? normal : large));
    }
}

static void narrow(uint16_t *restrict out, const float *restrict in, int n, int block, const work *w, int64_t start) {
    for (int from = 0; from < n; from += block) {
        const int count = n - from < block ? n - from : block;
        const uint32_t shift = w->stochastic ? shift_of(w->key, 3, (start + from) / block) : 0;
        for (int j = 0; j < count; j++) {
            uint32_t u = bits_of(in[from + j]);
            uint32_t nearest = 0x7FFFu + ((u >> 16) & 1u), random = (shift + (uint32_t)j * LATTICE) >> 16;
            uint32_t finite = (u + (w->stochastic ? random : nearest)) >> 16;
            uint32_t other = (u & 0x7FFFFFFFu) > 0x7F800000u ? 0x7FC0u : u >> 16;
            out[from + j] = (uint16_t)((u & 0x7F800000u) == 0x7F800000u ? other : finite);
        }
    }
}

/* ---- The last unit of a tensor, padded to a whole one ---- */
/* With 4 bits its elements 2j and 2j + 1 share a byte, so that no byte is wasted; `whole` has a whole unit's order. */
static void spread(uint8_t *whole, const uint8_t *stored, int n, int bits) {
    memset(whole, 0, BLOCK);
    if (bits == 8) memcpy(whole, stored, n);
    else
        for (int j = 0; j < n; j++) whole[j % BLOCK] |= (uint8_t)(((stored[j / 2] >> (j % 2 * 4)) & 15) << (j / BLOCK * 4));
}

static void gather(uint8_t *stored, const uint8_t *whole, int n, int bits) {
    if (bits == 8) memcpy(stored, whole, n);
    else
        for (int j = 0; j < n; j++) {
            int code = (whole[j % BLOCK] >> (j / BLOCK * 4)) & 15;
            stored[j / 2] = (uint8_t)(j % 2 ? stored[j / 2] | code << 4 : code);
        }
}

/* ---- Whole tensors ---- */
static void unit_of_rule(const work *w, int n, int wide, const float *h) {
    if (wide) wide_unit(w, n, NAMED(KINDS_, RULE), NAMED(rule_, RULE), h);
#if BITS != 32
    else quantized_unit(w, BLOCK, BITS, NAMED(KINDS_, RULE), NAMED(rule_, RULE), h);
#endif
}

static void any_unit(const tensor *t, const numbers *all, int64_t unit) {
    const numbers *row = all + t->numbers;
    const int halves = t->bits == 4 ? 2 : 1, wide = t->bits == 32;
    const int size = wide ? WIDE_UNIT : QUANTIZED_UNIT;
    const int64_t start = unit * size, left = t->numel - start;
    const int n = left < size ? (int)left : size, narrow_type = t->dtype != 0;
    const int padded = n < size && !wide, copied = narrow_type || padded;
    float p[LARGEST_UNIT] ALIGNED, g[LARGEST_UNIT] ALIGNED, absmax[3][2];
    uint8_t codes[3][BLOCK];
    work w = {.key = mix(row->round_key ^ t->salt), .unit = unit, .stochastic = t->stochastic};
    w.p = copied ? p : (float *)t->param + start;
    w.g = copied ? g : (const float *)t->grad + start;
    if (narrow_type) {
        widen(p, (const uint16_t *)t->param + start, n, t->dtype);
        widen(g, (const uint16_t *)t->grad + start, n, t->dtype);
    } else if (copied) {
        memcpy(p, (const float *)t->param + start, n * sizeof(float));
        memcpy(g, (const float *)t->grad + start, n * sizeof(float));
    }
    if (padded) {
        memset(p + n, 0, (size - n) * sizeof(float));
        memset(g + n, 0, (size - n) * sizeof(float));
    }
    const int blocks = (n + BLOCK - 1) / BLOCK;
    for (int s = 0; s < 3; s++) {
        if (!t->state[s]) continue;
        if (wide) {
            w.state[s] = (float *)t->state[s] + start;
            continue;
        }
        w.state[s] = (uint8_t *)t->state[s] + unit * BLOCK;
        w.absmax[s] = t->absmax[s] + unit * halves;
        if (!padded) continue;
        spread(codes[s], w.state[s], n, t->bits);
        absmax[s][0] = absmax[s][1] = 0.0f;
        memcpy(absmax[s], w.absmax[s], blocks * sizeof(float));
        w.state[s] = codes[s];
        w.absmax[s] = absmax[s];
    }
    unit_of_rule(&w, n, wide, row->h);
    for (int s = 0; padded && s < 3; s++) {
        if (!t->state[s]) continue;
        gather((uint8_t *)t->state[s] + unit * BLOCK, codes[s], n, t->bits);
        memcpy(t->absmax[s] + unit * halves, absmax[s], blocks * sizeof(float));
    }
    if (t->dtype == FP16) narrow_half((uint16_t *)t->param + start, w.p, n);
    else if (narrow_type) narrow((uint16_t *)t->param + start, w.p, n, BLOCK, &w, start);
    else if (copied) memcpy((float *)t->param + start, p, n * sizeof(float));
}

/* Ask for the first bytes of a tensor that comes soon: many small tensors lie scattered in memory. */
static void expect(const tensor *t) {
    const int64_t size = t->dtype == 0 ? 4 : 2, bytes = t->numel * size < 256 ? t->numel * size : 256;
    const int64_t stored = t->bits == 32 ? bytes : 64;
    for (int64_t i = 0; i < bytes; i += 64) {
        __builtin_prefetch((const char *)t->param + i, 1);
        __builtin_prefetch((const char *)t->grad + i);
    }
    for (int s = 0; s < 3 && t->state[s]; s++)
        for (int64_t i = 0; i < stored; i += 64) __builtin_prefetch((const char *)t->state[s] + i, 1);
}

/* tensors: `count` of them and one more that holds the total in first_unit. */
void autoagent_step(const tensor *tensors, int64_t count, int64_t units, const numbers *all, int threads) {
    (void)threads;
#ifdef _OPENMP
#pragma omp parallel num_threads(threads) if (threads > 1)
#endif
    {
        int64_t me = 0, of = 1;
#ifdef _OPENMP
        me = omp_get_thread_num(), of = omp_get_num_threads();
#endif
        int64_t unit = units * me / of, end = units * (me + 1) / of, low = 0, high = count;
        while (low < high) { /* the first tensor that ends after `unit` */
            int64_t middle = (low + high) / 2;
            if (tensors[middle + 1].first_unit <= unit) low = middle + 1;
            else high = middle;
        }
        for (; unit < end; low++) {
            if (low + AHEAD < count) expect(tensors + low + AHEAD);
            for (; unit < end && unit < tensors[low + 1].first_unit; unit++)
                any_unit(tensors + low, all, unit - tensors[low].first_unit);
        }
    }
}
