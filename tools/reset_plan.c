/* tools/reset_plan.c - see reset_plan.h. */
#include "tools/reset_plan.h"
#include "base/assert.h"

#define MS_PER_SECOND 1000
#define MS_PER_MINUTE (60 * MS_PER_SECOND)
#define MS_PER_HOUR (60 * MS_PER_MINUTE)
#define MS_PER_DAY (24 * (int64_t)MS_PER_HOUR)

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static char upper(char c) { return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c; }

/* Digits at the front of *text; false without one or above INT64_MAX. */
static bool take_number(struct str *text, int64_t *ret_value) {
    size_t len = 0;
    while (len < text->len && is_digit(text->ptr[len])) len++;
    if (len == 0 || !str_to_int64((struct str){text->ptr, len}, ret_value)) return false;
    *text = (struct str){text->ptr + len, text->len - len};
    return true;
}

static bool take_char(struct str *text, char c) {
    if (text->len == 0 || upper(text->ptr[0]) != c) return false;
    *text = (struct str){text->ptr + 1, text->len - 1};
    return true;
}

static int take_sign(struct str *text) {
    if (take_char(text, '-')) return -1;
    (void)take_char(text, '+');
    return 1;
}

/* The thousandths of ".5"; true as well when there is no fraction. */
static bool take_fraction(struct str *text, int64_t *ret_ms) {
    int64_t unit = 100;
    *ret_ms = 0;
    if (!take_char(text, '.')) return true;
    size_t digits = 0;
    while (text->len > 0 && is_digit(text->ptr[0])) {
        *ret_ms += (text->ptr[0] - '0') * unit;
        unit /= 10;
        digits++;
        *text = (struct str){text->ptr + 1, text->len - 1};
    }
    return digits <= 9;
}

static bool add_parts(int64_t *total, int64_t number, int64_t unit) {
    int64_t part;
    return !__builtin_mul_overflow(number, unit, &part) &&
           !__builtin_add_overflow(*total, part, total);
}

bool reset_parse_duration(struct str text, int64_t *ret_ms) {
    /* In this order, each at most once; seconds may have a fraction. */
    static const struct {
        char letter;
        int64_t unit;
    } units[] = {{'D', MS_PER_DAY}, {'H', MS_PER_HOUR}, {'M', MS_PER_MINUTE}, {'S', MS_PER_SECOND}};
    int64_t total = 0;
    int sign = take_sign(&text);
    if (!take_char(&text, 'P') || text.len == 0) return false;
    bool in_time = false;
    size_t unit = 0;
    while (text.len > 0) {
        if (!in_time && take_char(&text, 'T')) {
            in_time = true;
            if (text.len == 0) return false;
            unit = MAX(unit, 1);
        }
        int part_sign = take_sign(&text);
        int64_t number, fraction_ms;
        if (!take_number(&text, &number) || !take_fraction(&text, &fraction_ms)) return false;
        bool had_fraction = fraction_ms != 0;
        while (unit < COUNT(units) && !take_char(&text, units[unit].letter)) unit++;
        if (unit == COUNT(units) || (unit > 0) != in_time) return false;
        if (had_fraction && units[unit].letter != 'S') return false;
        if (!add_parts(&total, part_sign * number, units[unit].unit)) return false;
        total += part_sign * fraction_ms;
        unit++;
    }
    *ret_ms = sign * total;
    return true;
}

/* Days since 1970-01-01 of the Gregorian calendar (Howard Hinnant, "chrono-Compatible Low-Level
 * Date Algorithms"). */
static int64_t days_of(int64_t year, int64_t month, int64_t day) {
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static int64_t days_in(int64_t year, int64_t month) {
    return month == 12 ? 31 : days_of(year, month + 1, 1) - days_of(year, month, 1);
}

/* Z, +hh, +hhmm or +hh:mm; nothing is UTC. */
static bool take_zone(struct str *text, int64_t *ret_ms) {
    *ret_ms = 0;
    if (text->len == 0 || take_char(text, 'Z')) return true;
    if (text->ptr[0] != '+' && text->ptr[0] != '-') return false;
    int sign = take_sign(text);
    int64_t hours, minutes = 0;
    if (text->len < 2) return false;
    struct str two = {text->ptr, 2};
    *text = (struct str){text->ptr + 2, text->len - 2};
    if (!take_number(&two, &hours) || two.len > 0 || hours > 23) return false;
    (void)take_char(text, ':');
    if (text->len > 0 && (!take_number(text, &minutes) || minutes > 59)) return false;
    *ret_ms = sign * (hours * MS_PER_HOUR + minutes * MS_PER_MINUTE);
    return true;
}

bool reset_parse_datetime(struct str text, int64_t *ret_ms, const char **ret_why) {
    int64_t year, month, day, hour, minute, second, ms, zone_ms;
    if (text.len == 0 || memchr(text.ptr, 'T', text.len) == NULL) {
        *ret_why = "Error parsing timestamp. It does not contain a 'T' according to ISO8601 format";
        return false;
    }
    *ret_why = "Unparseable date: ";
    bool good = take_number(&text, &year) && take_char(&text, '-') && take_number(&text, &month) &&
                take_char(&text, '-') && take_number(&text, &day) && take_char(&text, 'T') &&
                take_number(&text, &hour) && take_char(&text, ':') && take_number(&text, &minute) &&
                take_char(&text, ':') && take_number(&text, &second) && take_char(&text, '.') &&
                take_number(&text, &ms) && take_zone(&text, &zone_ms) && text.len == 0;
    if (!good || year > 9999 || month < 1 || month > 12 || day < 1 || day > days_in(year, month) ||
        hour > 23 || minute > 59 || second > 59 || ms > 999)
        return false;
    *ret_ms = days_of(year, month, day) * MS_PER_DAY + hour * MS_PER_HOUR + minute * MS_PER_MINUTE +
              second * MS_PER_SECOND + ms - zone_ms;
    return true;
}

/* Cuts the text before the next comma off *rest, which is ptr NULL behind the last one. */
static bool next_field(struct str *rest, struct str *ret_field) {
    if (rest->ptr == NULL) return false;
    const char *comma = rest->len > 0 ? memchr(rest->ptr, ',', rest->len) : NULL;
    size_t len = comma != NULL ? (size_t)(comma - rest->ptr) : rest->len;
    struct str field = str_trim((struct str){rest->ptr, len});
    *rest = comma != NULL ? (struct str){comma + 1, rest->len - len - 1} : STR_NULL;
    if (field.len >= 2 && field.ptr[0] == '"' && field.ptr[field.len - 1] == '"')
        field = (struct str){field.ptr + 1, field.len - 2};
    *ret_field = field;
    return true;
}

bool reset_next_partition(struct str *rest, int32_t *ret_partition, bool *ret_good) {
    struct str field;
    int64_t number;
    *ret_good = true;
    if (!next_field(rest, &field)) return false;
    *ret_good = str_to_int64(field, &number) && number >= 0 && number <= INT32_MAX;
    *ret_partition = *ret_good ? (int32_t)number : -1;
    return *ret_good;
}

int64_t reset_keep_within(int64_t offset, int64_t begin, int64_t end, int *ret_how) {
    *ret_how = offset > end ? 1 : offset < begin ? -1 : 0;
    return offset > end ? end : offset < begin ? begin : offset;
}

bool reset_parse_line(struct str text, struct reset_line *ret_line) {
    struct str fields[5];
    size_t count = 0;
    while (count < COUNT(fields) && next_field(&text, &fields[count])) count++;
    if (count != 3 && count != 4) return false;
    int64_t partition, offset;
    const struct str *last = &fields[count - 3];
    if (last[0].len == 0 || !str_to_int64(last[1], &partition) || !str_to_int64(last[2], &offset) ||
        partition < 0 || partition > INT32_MAX)
        return false;
    *ret_line = (struct reset_line){
        .group = count == 4 ? fields[0] : STR_NULL,
        .topic = last[0],
        .partition = (int32_t)partition,
        .offset = offset,
    };
    return true;
}
