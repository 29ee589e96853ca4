/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every bench program shares: samples of one quantity, their median and spread, and the row that is printed.
 * A program interleaves its subject and its anchor in each round, takes at least BENCH_ROUNDS rounds, and prints
 *
 *     row | target | measured | spread | anchor
 *
 * where measured is a ratio of medians wherever there is an anchor, and spread is the distance of the quartiles over
 * the median. Nothing here asserts a time: machines are noisy, people judge.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>

#define BENCH_ROUNDS 9

struct samples {
	double *value;
	size_t n, capacity;
};

void samples_add(struct samples *s, double value);
/* Quantile q in 0..1 of what was added (sorts); NAN when empty. */
double samples_quantile(struct samples *s, double q);
double samples_median(struct samples *s);
/* (Q3 - Q1) / median. */
double samples_spread(struct samples *s);
void samples_done(struct samples *s);

uint64_t bench_now_ns(void);         /* CLOCK_MONOTONIC */
void bench_sleep_until(uint64_t ns); /* of the same clock */

/* Each argument is text; measured and spread are formatted by the caller's own sense of units. */
void bench_header(void);
__attribute__((format(printf, 3, 4))) void bench_row(const char *row, const char *target, const char *format, ...);

#endif
