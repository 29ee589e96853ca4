/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void samples_add(struct samples *s, double value)
{
	if (s->n == s->capacity) {
		s->capacity = s->capacity ? s->capacity * 2 : 64;
		s->value = reallocarray(s->value, s->capacity, sizeof(double));
		if (!s->value)
			abort();
	}
	s->value[s->n++] = value;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double samples_quantile(struct samples *s, double q)
{
	if (!s->n)
		return NAN;
	qsort(s->value, s->n, sizeof(double), ascending);
	return s->value[(size_t)(q * (double)(s->n - 1) + 0.5)];
}

double samples_median(struct samples *s)
{
	return samples_quantile(s, 0.5);
}

double samples_spread(struct samples *s)
{
	double median = samples_median(s);

	return median > 0 ? (samples_quantile(s, 0.75) - samples_quantile(s, 0.25)) / median : NAN;
}

void samples_done(struct samples *s)
{
	free(s->value);
	*s = (struct samples){0};
}

uint64_t bench_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void bench_sleep_until(uint64_t ns)
{
	struct timespec at = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL))
		;
}

void bench_header(void)
{
	puts("| row | target | measured | spread | anchor |\n|---|---|---|---|---|");
}

void bench_row(const char *row, const char *target, const char *format, ...)
{
	va_list args;

	printf("| %s | %s | ", row, target);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	puts(" |");
	fflush(stdout);
}
