/* Units as they come from the wire (see wire.py), told apart and read: see units_in_c.py. Little-endian machines only. */

#include <stdint.h>
#include <string.h>

#define MIXED_BITS 32
#define SIGN (1ull << 63)
#define NAN_BITS (0x7FF8ull << 48)

typedef struct {
    uint64_t time, value; /* doubles, the first byte the highest */
} Unit;

static double number(uint64_t bits)
{
    double found;
    memcpy(&found, &bits, sizeof found);
    return found;
}

/* The last of the parts up to `last` that begins by `key`, -1 if none does; parts are in order. */
static int32_t begun_by(int64_t key, int32_t last, const int64_t *starts)
{
    int32_t first = 0, end = last + 1;
    while (first < end) {
        const int32_t middle = first + (end - first) / 2;
        if (starts[middle] <= key)
            first = middle + 1;
        else
            end = middle;
    }
    return first - 1;
}

/* Sorts units by their places and leaves those of one place as they stand. A place is that of the id in the unit's
   key, or of the part of that id that holds its time; what is of no part has the place `none`, behind them all.
   `ends`, of none + 2 zeros, becomes where each place ends among the sorted. */
void apart(const Unit *units, int64_t count, int64_t zero, const int32_t *place_of, int64_t ids, int32_t none,
           const uint8_t *narrow, const int64_t *part_starts, const int64_t *part_ends, int32_t *places, int64_t *ends,
           Unit *sorted)
{
    for (int64_t i = 0; i < count; i++) {
        const uint64_t time = __builtin_bswap64(units[i].time);
        const int64_t key = (int64_t)number(time & ~SIGN) - zero, id = key >> MIXED_BITS;
        int32_t place = id >= 0 && id < ids ? place_of[id] : none;
        if (narrow[place]) {
            const int32_t part = begun_by(key, place, part_starts);
            place = part >= 0 && key < part_ends[part] ? part : none;
        }
        places[i] = place, ends[place + 1]++;
        if (time & SIGN && i + 1 < count) /* a second unit goes where the first does */
            places[++i] = place, ends[place + 1]++;
    }
    for (int32_t place = 0; place <= none; place++)
        ends[place + 1] += ends[place];
    for (int64_t i = 0; i < count; i++)
        sorted[ends[places[i]]++] = units[i];
}

/* Times and values of the readings that are one unit, of parts that lie end to end and have so many of them each, and of
   whose times `bases` are taken away; of the many numbers that are none the one that Java knows. */
void numbers(const Unit *units, int64_t parts, const int64_t *counts, const int64_t *bases, int64_t *times,
             uint64_t *values)
{
    for (int64_t part = 0; part < parts; part++)
        for (int64_t left = counts[part]; left > 0; units++) {
            const uint64_t time = __builtin_bswap64(units->time), value = __builtin_bswap64(units->value);
            if (time & SIGN) {
                units++; /* of a reading of two */
                continue;
            }
            *times++ = (int64_t)number(time) - bases[part];
            *values++ = (value & ~SIGN) > 0x7FFull << 52 ? NAN_BITS : value;
            left--;
        }
}
