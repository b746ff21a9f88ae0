/* Statistics of tensors on the CPU, each in one pass over the bytes; `one_pass.py` calls it.

   A plain C ABI: no header of Python or torch, so that one library serves every version of both.
   All sums are in double, in which the squares of float32 neither overflow nor underflow. Nothing is
   allocated, nothing is written but the results, and no thread is started. */

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define WIDE __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define WIDE
#endif

#define INLINE static inline __attribute__((always_inline))

#ifdef _WIN32
#define PUBLIC __declspec(dllexport)
#else
#define PUBLIC __attribute__((visibility("default")))
#endif

#ifndef SOURCE
#define SOURCE 0
#endif

/* The checksum of this file, by which a library that was built from another one is known. */
PUBLIC uint32_t gradmedic_source(void) { return SOURCE; }

enum { FLOAT32, FLOAT64, BFLOAT16, FLOAT16, BYTE };
enum { MOST_DIMS = 16, BLOCK = 4096 };

typedef struct {
    double squares, sum, low, high;
    int64_t nonzero;
} Moments;

INLINE float of_float32(float x) { return x; }
INLINE double of_float64(double x) { return x; }
INLINE float of_byte(uint8_t x) { return x; }

INLINE float of_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

INLINE float of_bfloat16(uint16_t x) { return of_bits((uint32_t)x << 16); }

/* Integers do the work, so that no subnormal is lost where the processor flushes those of float32. */
INLINE float of_float16(uint16_t x) {
    uint32_t sign = (uint32_t)(x & 0x8000) << 16, body = x & 0x7fff;
    float tiny = of_bits(body | 126u << 23) - 0.5f;
    uint32_t small, normal = (body << 13) + ((body >= 0x7c00 ? 224u : 112u) << 23);
    memcpy(&small, &tiny, sizeof small);
    return of_bits(sign | (body < 0x400 ? small : normal));
}

/* Of a row of `n` entries that lie `step` apart. Per block the count fits into 32 bits. */
#define DEFINE(NAME, STORED, REAL, INFINITE)                                                         \
    INLINE void add_##NAME(const STORED *x, int64_t n, int64_t step, Moments *m) {                   \
        for (int64_t begin = 0; begin < n; begin += BLOCK) {                                         \
            const STORED *at = x + begin * step;                                                     \
            int count = (int)(n - begin < BLOCK ? n - begin : BLOCK), nonzero = 0;                   \
            double squares = 0, sum = 0;                                                             \
            REAL low = INFINITE, high = -INFINITE;                                                   \
            _Pragma("omp simd reduction(+:squares,sum,nonzero) reduction(min:low) reduction(max:high)") \
            for (int i = 0; i < count; i++) {                                                        \
                REAL v = of_##NAME(at[i * step]);                                                    \
                double wide = v;                                                                     \
                squares += wide * wide;                                                              \
                sum += wide;                                                                         \
                low = v < low ? v : low;                                                             \
                high = v > high ? v : high;                                                          \
                nonzero += v != 0;                                                                   \
            }                                                                                        \
            m->squares += squares;                                                                   \
            m->sum += sum;                                                                           \
            m->low = low < m->low ? low : m->low;                                                    \
            m->high = high > m->high ? high : m->high;                                               \
            m->nonzero += nonzero;                                                                   \
        }                                                                                            \
    }                                                                                                \
    WIDE static void dense_##NAME(const STORED *x, int64_t n, Moments *m) { add_##NAME(x, n, 1, m); } \
    static void spread_##NAME(const STORED *x, int64_t n, int64_t step, Moments *m) {                \
        add_##NAME(x, n, step, m);                                                                   \
    }                                                                                                \
    WIDE static void active_##NAME(const STORED *x, int64_t units, uint8_t *active) {                \
        _Pragma("omp simd") for (int64_t u = 0; u < units; u++) active[u] |= of_##NAME(x[u]) != 0;   \
    }                                                                                                \
    WIDE static int any_##NAME(const STORED *x, int64_t n) {                                         \
        int found = 0;                                                                               \
        _Pragma("omp simd reduction(|:found)") for (int64_t i = 0; i < n; i++) found |= of_##NAME(x[i]) != 0; \
        return found;                                                                                \
    }

DEFINE(float32, float, float, INFINITY)
DEFINE(float64, double, double, INFINITY)
DEFINE(bfloat16, uint16_t, float, INFINITY)
DEFINE(float16, uint16_t, float, INFINITY)
DEFINE(byte, uint8_t, float, INFINITY)

#define OF_TYPE(TYPE, CALL)                                                                          \
    switch (TYPE) {                                                                                  \
    case FLOAT32: { typedef float Stored; CALL(float32); break; }                                    \
    case FLOAT64: { typedef double Stored; CALL(float64); break; }                                   \
    case BFLOAT16: { typedef uint16_t Stored; CALL(bfloat16); break; }                               \
    case FLOAT16: { typedef uint16_t Stored; CALL(float16); break; }                                 \
    default: { typedef uint8_t Stored; CALL(byte); break; }                                          \
    }

static int64_t bytes_of(int type) {
    static const int64_t bytes[] = {4, 8, 2, 2, 1};
    return bytes[type];
}

static void add_row(const char *x, int type, int64_t n, int64_t step, Moments *m) {
#define ROW(NAME)                                                                                    \
    if (step == 1) dense_##NAME((const Stored *)x, n, m);                                            \
    else spread_##NAME((const Stored *)x, n, step, m)
    OF_TYPE(type, ROW)
}

/* Norm, sum, minimum, maximum, and the counts of entries that are not zero. A NaN makes all but counts NaN. */
static void tell(const Moments *m, double weight, double *out) {
    int lost = isnan(m->squares);
    out[0] = sqrt(m->squares * weight);
    out[1] = m->sum * weight;
    out[2] = lost ? NAN : m->low;
    out[3] = lost ? NAN : m->high;
    out[4] = (double)m->nonzero * weight;
}

static const Moments NOTHING = {0, 0, INFINITY, -INFINITY, 0};

/* Five numbers of `n` entries that lie side by side. */
PUBLIC void gradmedic_read(const void *x, int type, int64_t n, double *out) {
    Moments m = NOTHING;
    add_row(x, type, n, 1, &m);
    tell(&m, 1, out);
}

/* The same of several tensors, five numbers each. */
PUBLIC void gradmedic_read_all(int64_t count, const int64_t *addresses, const int64_t *lengths,
                               const int64_t *types, double *out) {
    for (int64_t k = 0; k < count; k++)
        gradmedic_read((const void *)(intptr_t)addresses[k], (int)types[k], lengths[k], out + 5 * k);
}

/* Leaves out what is expanded (it counts `weight` times) and joins dimensions that lie side by side. */
static int simplified(int dims, const int64_t *sizes, const int64_t *strides, int64_t *size, int64_t *stride,
                      double *weight) {
    int kept = 0;
    *weight = 1;
    for (int d = 0; d < dims; d++) {
        if (sizes[d] == 1) continue;
        if (strides[d] == 0) {
            *weight *= (double)sizes[d];
            continue;
        }
        int at = kept++;
        for (; at > 0 && stride[at - 1] < strides[d]; at--) size[at] = size[at - 1], stride[at] = stride[at - 1];
        size[at] = sizes[d], stride[at] = strides[d];
    }
    int last = 0;
    for (int d = 1; d < kept; d++) {
        if (stride[last] == size[d] * stride[d]) size[last] *= size[d], stride[last] = stride[d];
        else last++, size[last] = size[d], stride[last] = stride[d];
    }
    return kept ? last + 1 : 0;
}

/* The same of entries that lie anywhere; no more than `MOST_DIMS` dimensions. */
PUBLIC void gradmedic_read_strided(const void *x, int type, int dims, const int64_t *sizes, const int64_t *strides,
                                   double *out) {
    int64_t size[MOST_DIMS], stride[MOST_DIMS], place[MOST_DIMS] = {0}, bytes = bytes_of(type);
    double weight;
    int outer = simplified(dims, sizes, strides, size, stride, &weight) - 1;
    int64_t n = outer < 0 ? 1 : size[outer], step = outer < 0 ? 1 : stride[outer];
    const char *at = x;
    Moments m = NOTHING;
    for (int d = 0; d >= 0;) {
        add_row(at, type, n, step, &m);
        for (d = outer - 1; d >= 0; d--) {
            at += stride[d] * bytes;
            if (++place[d] < size[d]) break;
            at -= size[d] * stride[d] * bytes, place[d] = 0;
        }
    }
    tell(&m, weight, out);
}

/* Marks in `active` which of the units have an entry that is not zero, of a tensor [outer, units, inner], and in
   `ever` those that have had one before as well; tells how many these are. */
PUBLIC void gradmedic_units(const void *x, int type, int64_t outer, int64_t units, int64_t inner, uint8_t *active,
                            uint8_t *ever, double *out) {
    const char *at = x;
    int64_t bytes = bytes_of(type), now = 0, all = 0;
    memset(active, 0, (size_t)units);
    for (int64_t o = 0; o < outer; o++) {
#define ROW_OF_UNITS(NAME) active_##NAME((const Stored *)at, units, active)
#define UNIT(NAME) active[u] = (uint8_t)any_##NAME((const Stored *)at, inner)
        if (inner == 1) {
            OF_TYPE(type, ROW_OF_UNITS)
            at += units * bytes;
            continue;
        }
        for (int64_t u = 0; u < units; u++, at += inner * bytes)
            if (!active[u]) OF_TYPE(type, UNIT)
    }
    for (int64_t u = 0; u < units; u++) {
        ever[u] |= active[u];
        now += active[u];
        all += ever[u];
    }
    out[0] = (double)now;
    out[1] = (double)all;
}

/* How many of `n` entries of float32 are further than `radius` from `center`. */
WIDE PUBLIC int64_t gradmedic_outside(const float *x, int64_t n, float center, float radius) {
    int64_t found = 0;
    for (int64_t begin = 0; begin < n; begin += BLOCK) {
        int count = (int)(n - begin < BLOCK ? n - begin : BLOCK), some = 0;
#pragma omp simd reduction(+ : some)
        for (int i = 0; i < count; i++) some += fabsf(x[begin + i] - center) > radius;
        found += some;
    }
    return found;
}

/* The norm of the difference of two rows of float32, which is rounded as torch rounds it. */
WIDE static double apart(const float *x, const float *y, int64_t n) {
    double total = 0;
    for (int64_t begin = 0; begin < n; begin += BLOCK) {
        int count = (int)(n - begin < BLOCK ? n - begin : BLOCK);
        double squares = 0;
#pragma omp simd reduction(+ : squares)
        for (int i = 0; i < count; i++) {
            double wide = x[begin + i] - y[begin + i];
            squares += wide * wide;
        }
        total += squares;
    }
    return sqrt(total);
}

PUBLIC void gradmedic_distances(int64_t count, const int64_t *one, const int64_t *other, const int64_t *lengths,
                                double *out) {
    for (int64_t k = 0; k < count; k++)
        out[k] = apart((const float *)(intptr_t)one[k], (const float *)(intptr_t)other[k], lengths[k]);
}

/* What a weighted sum of log-probabilities adds to a loss, by the gradient that arrives at each of them, and what
   samples (rows) and classes count for; `of_class` comes as zeros.

   The sum, the largest weight, how many samples count, for how much in all, the least and the most that one of them
   counts for, how many classes there are, and the sum of x log x over what they count for. */
PUBLIC void gradmedic_log_probabilities(const float *arrived, const float *told, int64_t rows, int64_t classes,
                                        double *of_class, double *out) {
    double adds = 0, top = -INFINITY, number = 0, total = 0, low = INFINITY, high = -INFINITY, there = 0, spread = 0;
    for (int64_t row = 0; row < rows; row++, arrived += classes, told += classes) {
        double sample = 0;
        for (int64_t c = 0; c < classes; c++) {
            double weight = arrived[c];
            adds += weight * told[c];
            top = weight > top ? weight : top;
            sample -= weight;
            of_class[c] -= weight;
        }
        total += sample;
        if (sample > 0) {
            number++;
            low = sample < low ? sample : low;
            high = sample > high ? sample : high;
        }
    }
    for (int64_t c = 0; c < classes; c++) {
        there += of_class[c] > 0;
        spread += of_class[c] == 0 ? 0 : of_class[c] * log(of_class[c]);
    }
    double told_all[] = {adds, top, number, total, low, high, there, spread};
    memcpy(out, told_all, sizeof told_all);
}
