/* Hashes of rows as fingerprint.py has them: see hashes_in_c.py. Little-endian machines only. */

#include <stdint.h>

/* One compiled file for all machines of a kind that share a home: the widest vectors are chosen when it is loaded. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define EVERY_MACHINE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define EVERY_MACHINE
#endif

#define STRETCH 1024 /* rows; six arrays of 4 kB stay in the first cache */
#define START (0x9E3779B9u + 3923095u)
#define PI 0x400921FB54442D18u
#define NAN_BITS (0x7FF8ull << 48)
#define PLAIN 192
#define FLAGS_SHIFT 56

#define ROTATED(x, bits) (((x) << (bits)) | ((x) >> (32 - (bits))))
#define MIX(a, b, c)                                                                                                   \
    (a -= c, a ^= ROTATED(c, 4), c += b, b -= a, b ^= ROTATED(a, 6), a += c, c -= b, c ^= ROTATED(b, 8), b += a,       \
     a -= c, a ^= ROTATED(c, 16), c += b, b -= a, b ^= ROTATED(a, 19), a += c, c -= b, c ^= ROTATED(b, 4), b += a)
#define FINAL(a, b, c)                                                                                                 \
    (c ^= b, c -= ROTATED(b, 14), a ^= c, a -= ROTATED(c, 11), b ^= a, b -= ROTATED(a, 25), c ^= b,                    \
     c -= ROTATED(b, 16), a ^= c, a -= ROTATED(c, 4), b ^= a, b -= ROTATED(a, 14), c ^= b, c -= ROTATED(b, 24))

/* Of plain rows: hashfloat8extended(value, seed = time); a zero is hashed as pi of its sign with its seed inverted,
   every NaN as one. Times, values and hashes are pairs of words, the low one first. */
EVERY_MACHINE
void plain_hashes(const uint32_t *restrict times, const uint32_t *restrict values, int64_t rows,
                  uint32_t *restrict hashes)
{
    const uint32_t start = START + 8;
    for (int64_t first = 0; first < rows; first += STRETCH) {
        uint32_t t_low[STRETCH], t_high[STRETCH], v_low[STRETCH], v_high[STRETCH], h_low[STRETCH], h_high[STRETCH];
        const int some = rows - first < STRETCH ? (int)(rows - first) : STRETCH;
        const uint32_t *time = times + 2 * first, *value = values + 2 * first;
        uint32_t *hash = hashes + 2 * first;
        for (int i = 0; i < some; i++) {
            t_low[i] = time[2 * i], t_high[i] = time[2 * i + 1];
            v_low[i] = value[2 * i], v_high[i] = value[2 * i + 1];
        }
        for (int i = 0; i < some; i++) {
            uint32_t low = v_low[i], high = v_high[i];
            const uint32_t size = high & 0x7FFFFFFFu;
            const uint32_t zero = (size | low) == 0 ? ~0u : 0;
            const uint32_t nan = (size > 0x7FF00000u) | ((size == 0x7FF00000u) & (low != 0)) ? ~0u : 0;
            const uint32_t seed_low = t_low[i] ^ zero, seed_high = t_high[i] ^ zero;
            const uint32_t none = (seed_low | seed_high) == 0 ? ~0u : 0; /* a seed of zero mixes nothing */
            uint32_t a = start + seed_high, b = start + seed_low, c = start;
            low = (low & ~nan) | (zero & (uint32_t)PI);
            high = (high & ~nan) | (zero & (uint32_t)(PI >> 32)) | (nan & (uint32_t)(NAN_BITS >> 32));
            MIX(a, b, c);
            a = (a & ~none) | (start & none);
            b = (b & ~none) | (start & none);
            c = (c & ~none) | (start & none);
            a += low, b += high;
            FINAL(a, b, c);
            h_low[i] = c, h_high[i] = b;
        }
        for (int i = 0; i < some; i++)
            hash[2 * i] = h_low[i], hash[2 * i + 1] = h_high[i];
    }
}

typedef struct {
    uint32_t a, b, c;
} Words;

static Words begun(uint32_t bytes, uint64_t seed)
{
    uint32_t a = START + bytes, b = a, c = a;
    if (seed) {
        a += (uint32_t)(seed >> 32), b += (uint32_t)seed;
        MIX(a, b, c);
    }
    return (Words){a, b, c};
}

static uint64_t ended(Words w)
{
    FINAL(w.a, w.b, w.c);
    return (uint64_t)w.b << 32 | w.c;
}

static uint64_t of_value(uint64_t bits, uint64_t seed)
{
    const uint64_t size = bits & ~(1ull << 63);
    if (size == 0)
        bits |= PI, seed = ~seed;
    else if (size > 0x7FFull << 52)
        bits = NAN_BITS;
    Words w = begun(8, seed);
    w.a += (uint32_t)bits, w.b += (uint32_t)(bits >> 32);
    return ended(w);
}

static uint64_t of_code(uint32_t code, uint64_t seed)
{
    Words w = begun(4, seed);
    w.a += code;
    return ended(w);
}

/* A byte as two hexadecimal digits, the first one low. */
static uint32_t digits(uint8_t byte)
{
    const uint32_t both = byte >> 4 | (uint32_t)(byte & 15) << 8;
    return both + 0x3030 + ((both + 0x0606) >> 4 & 0x0101) * ('a' - '0' - 10);
}

static uint64_t of_text(const uint8_t *text, int64_t length, uint64_t seed)
{
    Words w = begun((uint32_t)(2 * length), seed);
    uint32_t rest[3] = {0, 0, 0};
    for (; length >= 6; text += 6, length -= 6) {
        w.a += digits(text[0]) | digits(text[1]) << 16;
        w.b += digits(text[2]) | digits(text[3]) << 16;
        w.c += digits(text[4]) | digits(text[5]) << 16;
        MIX(w.a, w.b, w.c);
    }
    for (int i = 0; i < length; i++)
        rest[i / 2] |= digits(text[i]) << 16 * (i % 2);
    w.a += rest[0], w.b += rest[1], w.c += rest[2] << 8; /* the lowest byte belongs to the length */
    return ended(w);
}

/* Of any rows: hashint4extended(quality, float8(value, hex(text, time with flags))). The texts lie end to end; a length
   of -1 is no text. */
void row_hashes(const int64_t *times, const uint64_t *values, const uint8_t *has_value, const int32_t *qualities,
                const uint8_t *has_quality, const int64_t *lengths, const uint8_t *texts, int64_t rows,
                uint64_t *hashes)
{
    for (int64_t i = 0; i < rows; i++) {
        const int has_text = lengths[i] >= 0;
        const uint64_t time = (uint64_t)times[i], value = has_value[i] ? values[i] : 0;
        if (has_value[i] && has_quality[i] && qualities[i] == PLAIN && !has_text) {
            hashes[i] = of_value(value, time);
            continue;
        }
        const uint64_t flags = !!has_value[i] | !!has_quality[i] << 1 | has_text << 2;
        uint64_t seed = time ^ flags << FLAGS_SHIFT;
        if (has_text) {
            seed = of_text(texts, lengths[i], seed);
            texts += lengths[i];
        }
        hashes[i] = of_code(has_quality[i] ? (uint32_t)qualities[i] : 0, of_value(value, seed));
    }
}
