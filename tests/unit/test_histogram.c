/* SPDX-License-Identifier: MPL-2.0 */
/* The vectors in tests/vectors/percentiles.json are what every language's reader of histograms is
 * held against; VECTORS is where they are. */
#include "test.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "metrics/histogram.h"

static json_t *load_vectors(void)
{
    json_error_t error;
    json_t *root = json_load_file(VECTORS, 0, &error);
    if (!root) {
        fail_msg("%s:%d: %s", VECTORS, error.line, error.text);
    }
    return root;
}

static uint64_t number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    assert_true(json_is_integer(value));
    return (uint64_t)json_integer_value(value);
}

static uint64_t number_at(const json_t *array, size_t i)
{
    const json_t *value = json_array_get(array, i);
    assert_true(json_is_integer(value));
    return (uint64_t)json_integer_value(value);
}

static void test_bucket_vectors(void **state _unused_)
{
    json_t *root = load_vectors();
    const json_t *buckets = json_object_get(root, "buckets");
    size_t i;
    json_t *vector;

    assert_true(json_array_size(buckets) > 20);
    json_array_foreach(buckets, i, vector)
    {
        unsigned bucket = histogram_bucket(number(vector, "usec"));
        assert_int_equal(bucket, number(vector, "bucket"));
        assert_int_equal(histogram_bucket_low_usec(bucket), number(vector, "low_usec"));
        assert_int_equal(histogram_bucket_usec(bucket), number(vector, "represents_usec"));
    }
    json_decref(root);
}

static void check_percentiles(const struct histogram *histogram, const json_t *vector)
{
    const json_t *percentiles = json_object_get(vector, "percentiles");
    size_t i;
    json_t *pair;

    assert_true(json_array_size(percentiles) > 0);
    json_array_foreach(percentiles, i, pair)
    {
        uint64_t got = histogram_percentile_usec(histogram, (unsigned)number_at(pair, 0));
        if (got != number_at(pair, 1)) {
            fail_msg("%s: percentile %llu: %llu, not %llu",
                     json_string_value(json_object_get(vector, "name")),
                     (unsigned long long)number_at(pair, 0), (unsigned long long)got,
                     (unsigned long long)number_at(pair, 1));
        }
    }
}

/* The same samples in one histogram, and spread over several that are merged. */
static void test_percentile_vectors(void **state _unused_)
{
    json_t *root = load_vectors();
    const json_t *histograms = json_object_get(root, "histograms");
    size_t i;
    json_t *vector;

    assert_true(json_array_size(histograms) > 10);
    json_array_foreach(histograms, i, vector)
    {
        struct histogram whole = {0}, parts[] = {whole, whole, whole}, merged = {0};
        const json_t *samples = json_object_get(vector, "samples");
        size_t j;
        json_t *sample;
        json_array_foreach(samples, j, sample)
        {
            uint64_t usec = number_at(sample, 0), count = number_at(sample, 1);
            assert_int_equal(histogram_add(&whole, usec, count), 0);
            assert_int_equal(histogram_add(&parts[j % 3], usec, count), 0);
        }
        for (size_t part = 0; part < 3; part++) {
            assert_true(histogram_is_valid(&parts[part]));
            assert_int_equal(histogram_merge(&merged, &parts[part]), 0);
            histogram_clear(&parts[part]);
        }
        check_percentiles(&whole, vector);
        check_percentiles(&merged, vector);
        assert_true(histogram_is_valid(&whole));
        assert_true(histogram_is_valid(&merged));
        assert_int_equal(whole.count, merged.count);
        assert_int_equal(whole.sum_usec, merged.sum_usec);
        assert_int_equal(whole.min_usec, merged.min_usec);
        assert_int_equal(whole.max_usec, merged.max_usec);
        histogram_clear(&whole);
        histogram_clear(&merged);
    }
    json_decref(root);
}

/* Buckets tile the range, and what one stands for is within 0.1 % of all that falls into it. */
static void test_buckets_tile_the_range(void **state _unused_)
{
    assert_int_equal(histogram_bucket(HISTOGRAM_MAX_USEC), HISTOGRAM_BUCKETS - 1);
    assert_true(HISTOGRAM_BUCKETS <= HISTOGRAM_PAGES * HISTOGRAM_PAGE_BUCKETS);
    for (unsigned bucket = 1; bucket < HISTOGRAM_BUCKETS; bucket++) {
        uint64_t low = histogram_bucket_low_usec(bucket);
        uint64_t stands_for = histogram_bucket_usec(bucket);
        assert_int_equal(histogram_bucket(low), bucket);
        if (low > 1) {
            assert_int_equal(histogram_bucket(low - 1), bucket - 1);
        }
        assert_true(stands_for >= low);
        assert_true((stands_for - low) * 1024 <= low);
        if (bucket + 1 < HISTOGRAM_BUCKETS) {
            uint64_t high = histogram_bucket_low_usec(bucket + 1) - 1;
            assert_true(stands_for <= MAX(high, low));
            assert_true((high - stands_for) * 1024 <= high);
        }
    }
}

static void test_sum_is_exact_and_values_are_clamped(void **state _unused_)
{
    struct histogram histogram = {0};

    assert_int_equal(histogram_percentile_usec(&histogram, 50000), 0);
    assert_int_equal(histogram_add(&histogram, 123456, 0), 0);
    assert_int_equal(histogram.count, 0);
    assert_true(histogram_is_valid(&histogram));
    assert_int_equal(histogram_add(&histogram, 1234567, 3), 0);
    assert_int_equal(histogram_add(&histogram, 0, 1), 0);
    assert_int_equal(histogram_add(&histogram, UINT64_MAX, 1), 0);
    assert_int_equal(histogram.count, 5);
    assert_int_equal(histogram.sum_usec, 3 * 1234567 + 1 + HISTOGRAM_MAX_USEC);
    assert_int_equal(histogram.min_usec, 1);
    assert_int_equal(histogram.max_usec, HISTOGRAM_MAX_USEC);
    assert_true(histogram_is_valid(&histogram));
    histogram_clear(&histogram);
    assert_int_equal(histogram.count, 0);
    for (unsigned page = 0; page < HISTOGRAM_PAGES; page++) {
        assert_null(histogram.pages[page]);
    }
}

struct visits {
    unsigned last;
    uint64_t buckets, count;
};

static void visit(unsigned bucket, uint64_t count, void *context)
{
    struct visits *visits = context;
    assert_true(visits->buckets == 0 || bucket > visits->last);
    assert_true(count > 0);
    visits->last = bucket;
    visits->buckets++;
    visits->count += count;
}

static void test_each_ascends(void **state _unused_)
{
    struct histogram histogram = {0};
    struct visits visits = {0};

    for (uint64_t usec = HISTOGRAM_MAX_USEC; usec > 0; usec = usec * 2 / 3) {
        assert_int_equal(histogram_add(&histogram, usec, 2), 0);
    }
    histogram_each(&histogram, visit, &visits);
    assert_int_equal(visits.count, histogram.count);
    assert_int_equal(visits.last, HISTOGRAM_BUCKETS - 1);
    histogram_clear(&histogram);
}

/* Every number beside the buckets is held against them. */
static void test_validity(void **state _unused_)
{
    struct histogram histogram = {0};
    struct histogram good;

    assert_int_equal(histogram_add(&histogram, 5000, 2), 0);
    assert_int_equal(histogram_add(&histogram, 70001, 1), 0);
    good = histogram;
    assert_true(histogram_is_valid(&histogram));

    histogram.count++;
    assert_false(histogram_is_valid(&histogram));
    histogram = good;
    histogram.min_usec = 4000;
    assert_false(histogram_is_valid(&histogram));
    histogram = good;
    histogram.max_usec = 90000;
    assert_false(histogram_is_valid(&histogram));
    histogram = good;
    histogram.sum_usec = 5000 * 2 + 70001 - 1; /* less than twice the least and the greatest */
    assert_false(histogram_is_valid(&histogram));
    histogram.sum_usec = 5003 + 5000 + 70001; /* the other 5000 may be anything in its bucket */
    assert_true(histogram_is_valid(&histogram));
    histogram.sum_usec++;
    histogram.sum_usec += 5;
    assert_false(histogram_is_valid(&histogram));
    histogram = good;
    assert_int_equal(histogram_add_bucket(&histogram, 0, 1), 0); /* no value falls there */
    histogram.count++;
    assert_false(histogram_is_valid(&histogram));
    histogram_clear(&histogram);

    histogram.sum_usec = 1;
    assert_false(histogram_is_valid(&histogram));
}

/* A count that wrapped or was made up must not lead the search for a rank astray. */
static void test_percentile_of_inconsistent_counts(void **state _unused_)
{
    struct histogram histogram = {0};

    assert_int_equal(histogram_add(&histogram, 100, 1), 0);
    histogram.count = UINT64_MAX;
    assert_int_equal(histogram_percentile_usec(&histogram, 99999), 100);
    histogram_clear(&histogram);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bucket_vectors),
        cmocka_unit_test(test_percentile_vectors),
        cmocka_unit_test(test_buckets_tile_the_range),
        cmocka_unit_test(test_sum_is_exact_and_values_are_clamped),
        cmocka_unit_test(test_each_ascends),
        cmocka_unit_test(test_validity),
        cmocka_unit_test(test_percentile_of_inconsistent_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
