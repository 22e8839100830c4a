/* Earned sick time over months of payroll, in whole minutes.
 *
 * The numbers of the law come in with the call (policy), so that a pack can cite them; here is arithmetic only. Minutes
 * worked that do not yet make an accrued minute are carried on, from period to period and from year to year: nothing is
 * rounded away, and nothing is ever a fraction. */
#include "bailiwick.h"

#define PERIODS_MAX 600
#define USES_MAX 4000
#define YEARS_MAX 60
#define MINUTES_MAX 10000000 /* of one period, one use, one cap: about 19 years */
#define DAY_FIRST 657377     /* 1800-01-01, counted from 0000-03-01 */

typedef struct {
    bool is_frontload, is_credited_at_end;
    i64 worked_per_accrued, accrual_cap, use_cap, carryover_cap, granted, waiting_days, step;
    i64 accrual_from, hired;
    u32 year_month, year_day;
} Policy;

typedef struct {
    i64 starts, carried, granted, accrued, used, forfeited;
} Year;

typedef struct {
    i64 balance, remainder, used_in_year;
} State;

static const char *refusal; /* why the input is refused; 0 while it is not */
static u32 finding_count;

static i64 fail(const char *code) {
    if (!refusal) refusal = code;
    return 0;
}

/* --- dates: days counted from 0000-03-01, as a year that starts in March ends with its leap day --- */

static i64 day_number(i64 year, i64 month, i64 day) {
    i64 y = month > 2 ? year : year - 1;
    i64 m = month > 2 ? month - 3 : month + 9;
    return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1;
}

static bool is_leap(i64 year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

static i64 days_in(i64 year, i64 month) {
    if (month == 2) return is_leap(year) ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

static i64 year_of(i64 number) {
    i64 year = number / 366;
    while (day_number(year + 1, 1, 1) <= number) year++;
    return year;
}

static i64 digits(const u8 *at, u32 count) {
    i64 value = 0;
    for (u32 each = 0; each < count; each++) {
        if (at[each] < '0' || at[each] > '9') return -1;
        value = value * 10 + at[each] - '0';
    }
    return value;
}

static i64 read_date(Json value) {
    if (!is_there(value) || !starts(value, '"') || value.end - value.at != 12) return fail("date");
    const u8 *at = value.at + 1;
    i64 year = digits(at, 4), month = digits(at + 5, 2), day = digits(at + 8, 2);
    if (at[4] != '-' || at[7] != '-' || year < 1800 || month < 1 || month > 12) return fail("date");
    if (day < 1 || day > days_in(year, month)) return fail("date");
    return day_number(year, month, day);
}

static void put_date(i64 number) {
    i64 year = year_of(number), month = 1;
    while (month < 12 && day_number(year, month + 1, 1) <= number) month++;
    i64 day = number - day_number(year, month, 1) + 1;
    put_letter('"');
    if (year < 1000) put_letter('0');
    put_integer(year);
    put_letter('-');
    if (month < 10) put_letter('0');
    put_integer(month);
    put_letter('-');
    if (day < 10) put_letter('0');
    put_integer(day);
    put_letter('"');
}

/* --- what comes in --- */

static i64 read_minutes(Json object, const char *name, i64 least) {
    i64 value;
    if (!read_integer(member(object, name), &value) || value < least || value > MINUTES_MAX) return fail("minutes");
    return value;
}

static Policy read_policy(Json policy, Json employment) {
    Policy read = {0};
    Json method = member(policy, "method");
    read.is_frontload = is_text(method, "frontload");
    if (!read.is_frontload && !is_text(method, "accrual")) fail("method");
    read.worked_per_accrued = read_minutes(policy, "worked_minutes_per_accrued_minute", 1);
    read.accrual_cap = MINUTES_MAX;
    if (is_there(member(policy, "accrual_cap_minutes"))) read.accrual_cap = read_minutes(policy, "accrual_cap_minutes", 0);
    read.use_cap = read_minutes(policy, "use_cap_minutes", 0);
    read.carryover_cap = read_minutes(policy, "carryover_cap_minutes", 0);
    read.granted = read_minutes(policy, "frontload_minutes", 0);
    read.waiting_days = read_minutes(policy, "waiting_days", 0);
    read.step = read_minutes(policy, "step_minutes", 1);
    Json credited = member(policy, "credited");
    read.is_credited_at_end = is_text(credited, "at-period-end");
    if (!read.is_credited_at_end && !is_text(credited, "within-period")) fail("credited");
    Json starts = member(policy, "year_starts"); /* "MM-DD" */
    if (!is_there(starts) || starts.end - starts.at != 7 || starts.at[3] != '-') fail("date");
    else {
        i64 month = digits(starts.at + 1, 2), day = digits(starts.at + 4, 2);
        if (month < 1 || month > 12 || day < 1 || day > days_in(2023, month)) fail("date");
        read.year_month = (u32)month;
        read.year_day = (u32)day;
    }
    read.hired = read_date(member(employment, "hired"));
    read.accrual_from = read_date(member(employment, "accrual_from"));
    return read;
}

/* First day of the benefit year that a day is in. */
static i64 year_start(const Policy *policy, i64 day) {
    i64 start = day_number(year_of(day), policy->year_month, policy->year_day);
    return start <= day ? start : day_number(year_of(day) - 1, policy->year_month, policy->year_day);
}

/* --- the years --- */

static Year years[YEARS_MAX];
static u32 year_count;

static i64 least(i64 one, i64 other) { return one < other ? one : other; }

static void open_year(const Policy *policy, State *state, i64 start) {
    if (year_count == YEARS_MAX) {
        fail("years");
        return;
    }
    i64 carried = policy->is_frontload ? 0 : least(state->balance, policy->carryover_cap);
    if (year_count) years[year_count - 1].forfeited = state->balance - carried;
    Year opened = {.starts = start, .carried = carried, .granted = policy->is_frontload ? policy->granted : 0};
    years[year_count++] = opened;
    state->balance = carried + opened.granted;
    state->used_in_year = 0;
}

/* Open every benefit year up to the one that a day is in: an unpaid year still caps what is carried. */
static void reach_year(const Policy *policy, State *state, i64 day) {
    i64 wanted = year_start(policy, day);
    if (year_count == 0) open_year(policy, state, wanted);
    while (!refusal && years[year_count - 1].starts < wanted)
        open_year(policy, state, year_start(policy, years[year_count - 1].starts + 366));
}

static i64 accrue(const Policy *policy, State *state, i64 accrued_before, i64 worked) {
    if (policy->is_frontload) return 0;
    i64 total = state->remainder + worked;
    i64 unit = policy->worked_per_accrued * policy->step;
    i64 accrued = total / unit * policy->step;
    i64 room = policy->accrual_cap - accrued_before;
    state->remainder = accrued < room ? total % unit : 0; /* at the cap, what is worked earns nothing */
    return least(accrued, room);
}

static void put_member(const char *name, i64 value) {
    put_text(",\"");
    put_text(name);
    put_text("\":");
    put_integer(value);
}

static void put_finding(const char *code, u32 period, i64 day, i64 minutes) {
    put_text(finding_count++ ? ",{\"code\":\"" : "{\"code\":\"");
    put_text(code);
    put_text("\",\"period\":");
    put_integer(period);
    put_text(",\"on\":");
    put_date(day);
    put_member("minutes", minutes);
    put_letter('}');
}

/* --- one period of payroll --- */

typedef struct {
    i64 from, to, worked;
    Json used;
} Period;

static Period read_period(const Policy *policy, Json value, i64 after) {
    Period read = {.from = read_date(member(value, "from")), .to = read_date(member(value, "to"))};
    read.worked = read_minutes(value, "worked_minutes", 0);
    read.used = member(value, "used");
    if (refusal) return read;
    if (!is_array(read.used)) fail("used");
    else if (read.to < read.from || read.from <= after) fail("period-order");
    else if (year_start(policy, read.from) != year_start(policy, read.to)) fail("period-crosses-year");
    else if (read.from < policy->accrual_from && read.to >= policy->accrual_from) fail("period-crosses-start");
    else if (read.worked > (read.to - read.from + 1) * 1440) fail("period-worked");
    return read;
}

static u32 use_count;

static i64 take(const Policy *policy, State *state, const Period *period, u32 index, i64 *last, Json use) {
    i64 on = read_date(member(use, "on"));
    i64 minutes = read_minutes(use, "minutes", 1);
    if (refusal) return 0;
    if (++use_count > USES_MAX) return fail("uses");
    if (on < period->from || on > period->to || on < *last) return fail("use-order");
    *last = on;
    if (on < policy->hired + policy->waiting_days) put_finding("use-in-waiting-period", index, on, minutes);
    i64 above_balance = minutes - state->balance;
    if (above_balance > 0) put_finding("use-beyond-balance", index, on, least(above_balance, minutes));
    i64 above_cap = state->used_in_year + minutes - policy->use_cap;
    if (above_cap > 0) put_finding("use-beyond-cap", index, on, least(above_cap, minutes));
    state->balance = above_balance > 0 ? 0 : state->balance - minutes;
    state->used_in_year += minutes;
    return minutes;
}

static void run_period(const Policy *policy, State *state, const Period *period, u32 index) {
    reach_year(policy, state, period->from);
    if (refusal) return;
    Year *year = &years[year_count - 1];
    i64 accrued = period->to < policy->accrual_from ? 0 : accrue(policy, state, year->accrued, period->worked);
    year->accrued += accrued;
    if (!policy->is_credited_at_end) state->balance += accrued;
    i64 last = period->from;
    const u8 *outer_end = items_end;
    for (Json use = first_item(period->used); is_there(use) && !refusal; use = next_item(use))
        year->used += take(policy, state, period, index, &last, use);
    items_end = outer_end;
    if (policy->is_credited_at_end) state->balance += accrued;
}

static void put_year(const Year *year, bool is_first) {
    put_text(is_first ? "{\"starts\":" : ",{\"starts\":");
    put_date(year->starts);
    put_member("carried_minutes", year->carried);
    put_member("granted_minutes", year->granted);
    put_member("accrued_minutes", year->accrued);
    put_member("used_minutes", year->used);
    put_member("forfeited_minutes", year->forfeited);
    put_letter('}');
}

static u64 run_payroll(Json input) {
    Policy policy = read_policy(member(input, "policy"), member(input, "employment"));
    Json periods = member(input, "periods");
    if (!is_array(periods)) fail("periods");
    if (refusal) return refuse(refusal, "the input is not what accrue reads");
    State state = {0};
    i64 after = DAY_FIRST - 1;
    u32 count = 0;
    begin_answer();
    put_text("{\"ok\":{\"findings\":[");
    for (Json each = first_item(periods); is_there(each) && !refusal; each = next_item(each), count++) {
        if (count == PERIODS_MAX) {
            fail("periods");
            break;
        }
        Period period = read_period(&policy, each, after);
        if (refusal) break;
        run_period(&policy, &state, &period, count);
        after = period.to;
    }
    if (refusal) return refuse(refusal, "the input is not what accrue reads");
    i64 usable = least(state.balance, policy.use_cap - state.used_in_year);
    if (usable < 0 || after + 1 < policy.hired + policy.waiting_days) usable = 0;
    put_text("],\"years\":[");
    for (u32 each = 0; each < year_count; each++) put_year(&years[each], each == 0);
    put_text("],\"usable_from\":");
    put_date(policy.hired + policy.waiting_days);
    put_member("balance_minutes", state.balance);
    put_member("usable_minutes", usable);
    put_member("remainder_worked_minutes", state.remainder);
    put_text("}}");
    return give_answer();
}

u64 answer(Json function, Json input) {
    if (!is_text(function, "accrue")) return refuse("function-unknown", "the module has only accrue");
    return run_payroll(input);
}
