/* Hashes of plain rows: see plain_hashes.py. Little-endian machines only. */

#include <stdint.h>

/* One compiled file for all machines of a kind that share a home: the widest vectors are chosen when it is loaded. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define EVERY_MACHINE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define EVERY_MACHINE
#endif

#define STRETCH 1024 /* rows; six arrays of 4 kB stay in the first cache */
#define ROTATED(x, bits) (((x) << (bits)) | ((x) >> (32 - (bits))))

/* hashfloat8extended(value, seed = time) as fingerprint.py has it: a zero is hashed as pi of its sign with its seed
   inverted, every NaN as one. Times, values and hashes are pairs of words, the low one first. */
EVERY_MACHINE
void plain_hashes(const uint32_t *restrict times, const uint32_t *restrict values, int64_t rows,
                  uint32_t *restrict hashes)
{
    const uint32_t start = 0x9E3779B9u + 3923095u + 8;
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
            low = (low & ~nan) | (zero & 0x54442D18u);
            high = (high & ~nan) | (zero & 0x400921FBu) | (nan & 0x7FF80000u);

            a -= c, a ^= ROTATED(c, 4), c += b;
            b -= a, b ^= ROTATED(a, 6), a += c;
            c -= b, c ^= ROTATED(b, 8), b += a;
            a -= c, a ^= ROTATED(c, 16), c += b;
            b -= a, b ^= ROTATED(a, 19), a += c;
            c -= b, c ^= ROTATED(b, 4), b += a;

            a = (a & ~none) | (start & none);
            b = (b & ~none) | (start & none);
            c = (c & ~none) | (start & none);
            a += low, b += high;

            c ^= b, c -= ROTATED(b, 14);
            a ^= c, a -= ROTATED(c, 11);
            b ^= a, b -= ROTATED(a, 25);
            c ^= b, c -= ROTATED(b, 16);
            a ^= c, a -= ROTATED(c, 4);
            b ^= a, b -= ROTATED(a, 14);
            c ^= b, c -= ROTATED(b, 24);
            h_low[i] = c, h_high[i] = b;
        }
        for (int i = 0; i < some; i++)
            hash[2 * i] = h_low[i], hash[2 * i + 1] = h_high[i];
    }
}
