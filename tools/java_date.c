/* tools/java_date.c - see java_date.h. */
#include "tools/java_date.h"
#include <stdio.h>
#include "base/assert.h"

#define LETTERS "GyYMLwWDdFEuaHkKhmsSzZX"
#define ZONE_NAME_LEN 4 /* from as many letters on Java writes "Central European Standard Time" */

static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};
static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                   "Thursday", "Friday", "Saturday"};

static bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

static size_t run_of(const char *at) {
    size_t len = 1;
    while (at[len] == at[0]) len++;
    return len;
}

/* Behind the closing quote of a quoted text; NULL: there is none. */
static const char *quote_end(const char *at) {
    for (at++; *at != '\0'; at++) {
        if (*at != '\'') continue;
        if (at[1] != '\'') return at + 1;
        at++;
    }
    return NULL;
}

const char *java_date_problem(const char *pattern, char *why, size_t why_bytes) {
    const char *at = pattern;
    while (*at != '\0') {
        if (at[0] == '\'' && at[1] == '\'') {
            at += 2;
        } else if (*at == '\'') {
            at = quote_end(at);
            if (at == NULL) return "Unterminated quote";
        } else if (!is_letter(*at)) {
            at++;
        } else {
            size_t len = run_of(at);
            if (strchr(LETTERS, *at) == NULL) {
                (void)snprintf(why, why_bytes, "Illegal pattern character '%c'", *at);
                return why;
            }
            if (*at == 'X' && len > 3) {
                (void)snprintf(why, why_bytes, "invalid ISO 8601 format: length=%zu", len);
                return why;
            }
            if (*at == 'z' && len >= ZONE_NAME_LEN)
                return "zzzz, the long name of a time zone, is not known here";
            at += len;
        }
    }
    return NULL;
}

/* ---- one field ---- */

static void add_number(struct strbuf *out, int64_t number, size_t width) {
    strbuf_printf(out, "%0*lld", (int)width, (long long)number);
}

static void add_year(struct strbuf *out, int64_t year, size_t len) {
    add_number(out, len == 2 ? year % 100 : year, len);
}

static void add_name(struct strbuf *out, const char *name, size_t len) {
    strbuf_add(out, name, len >= 4 ? strlen(name) : 3);
}

static void add_month(struct strbuf *out, int month, size_t len) {
    if (len >= 3) {
        add_name(out, months[month], len);
    } else {
        add_number(out, month + 1, len);
    }
}

/* +0100 as Z has it; X: +01, +0100, +01:00 and Z for none. */
static void add_offset(struct strbuf *out, char letter, long seconds, size_t len) {
    if (letter == 'X' && seconds == 0) {
        strbuf_add_char(out, 'Z');
        return;
    }
    long minutes = (seconds < 0 ? -seconds : seconds) / 60;
    strbuf_printf(out, "%c%02ld", seconds < 0 ? '-' : '+', minutes / 60);
    if (letter == 'X' && len == 1) return;
    strbuf_printf(out, "%s%02ld", letter == 'X' && len == 3 ? ":" : "", minutes % 60);
}

static bool is_leap(int64_t year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

/* The week that holds the first of January is the first one of that year. */
static bool is_in_first_week_of_next(const struct tm *t) {
    int days_left = (is_leap(t->tm_year + 1900) ? 366 : 365) - 1 - t->tm_yday;
    return days_left < 6 - t->tm_wday;
}

static int week_of(int day_from_0, int weekday) {
    int weekday_of_first = ((weekday - day_from_0) % 7 + 7) % 7;
    return (day_from_0 + weekday_of_first) / 7 + 1;
}

static void add_field(struct strbuf *out, char letter, size_t len, const struct tm *t, int ms) {
    int64_t year = t->tm_year + INT64_C(1900);
    switch (letter) {
    case 'G': strbuf_add_str(out, STR("AD")); return;
    case 'y': add_year(out, year, len); return;
    case 'Y': add_year(out, year + is_in_first_week_of_next(t), len); return;
    case 'M':
    case 'L': add_month(out, t->tm_mon, len); return;
    case 'w':
        add_number(out, is_in_first_week_of_next(t) ? 1 : week_of(t->tm_yday, t->tm_wday), len);
        return;
    case 'W': add_number(out, week_of(t->tm_mday - 1, t->tm_wday), len); return;
    case 'D': add_number(out, t->tm_yday + 1, len); return;
    case 'd': add_number(out, t->tm_mday, len); return;
    case 'F': add_number(out, (t->tm_mday - 1) / 7 + 1, len); return;
    case 'E': add_name(out, days[t->tm_wday], len); return;
    case 'u': add_number(out, t->tm_wday > 0 ? t->tm_wday : 7, len); return;
    case 'a': strbuf_add_str(out, t->tm_hour < 12 ? STR("AM") : STR("PM")); return;
    case 'H': add_number(out, t->tm_hour, len); return;
    case 'k': add_number(out, t->tm_hour > 0 ? t->tm_hour : 24, len); return;
    case 'K': add_number(out, t->tm_hour % 12, len); return;
    case 'h': add_number(out, t->tm_hour % 12 > 0 ? t->tm_hour % 12 : 12, len); return;
    case 'm': add_number(out, t->tm_min, len); return;
    case 's': add_number(out, t->tm_sec, len); return;
    case 'S': add_number(out, ms, len); return;
    case 'z': strbuf_add_str(out, str_of(t->tm_zone)); return;
    case 'Z':
    case 'X': add_offset(out, letter, t->tm_gmtoff, len); return;
    default: break;
    }
    ASSERT(!"a letter that java_date_problem refuses");
}

void java_date_add(struct strbuf *out, const char *pattern, struct timespec time) {
    struct tm parts;
    (void)localtime_r(&time.tv_sec, &parts);
    const char *at = pattern;
    while (*at != '\0') {
        if (at[0] == '\'' && at[1] == '\'') {
            strbuf_add_char(out, '\'');
            at += 2;
        } else if (*at == '\'') {
            const char *end = quote_end(at);
            ASSERT(end != NULL);
            for (const char *c = at + 1; c < end - 1; c++) {
                strbuf_add_char(out, *c);
                if (*c == '\'') c++; /* two stand for one */
            }
            at = end;
        } else if (!is_letter(*at)) {
            strbuf_add_char(out, *at++);
        } else {
            size_t len = run_of(at);
            add_field(out, *at, len, &parts, (int)(time.tv_nsec / 1000000));
            at += len;
        }
    }
}
