/* SPDX-License-Identifier: MPL-2.0 */
/* Names of tests with weights: what is accepted is read in the same way again, and has names and
 * weights that may be. */
#include <errno.h>

#include "fuzz.h"
#include "wire/mix.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mix mix, again;
    struct error error;
    _cleanup_free_ char *text = input_text((struct input){data, size});
    int r = mix_parse(text, &mix, &error);

    if (r < 0) {
        assert(r == -EINVAL);
        check_error(r, &error);
        return 0;
    }
    assert(mix.n >= 1 && mix.n <= MIX_MAX_TESTS);
    for (unsigned i = 0; i < mix.n; i++) {
        const struct mix_test *test = &mix.tests[i];
        assert(test->fqn.module[0] && test->fqn.suite[0] && test->fqn.test[0]);
        assert(test->weight >= 1 && test->weight <= MIX_MAX_WEIGHT);
        assert(test->module < mix.n_modules);
        assert(strcmp(mix_module(&mix, test->module), test->fqn.module) == 0);
        for (unsigned j = 0; j < i; j++) {
            assert(strcmp(mix_name(&mix, i), mix_name(&mix, j)) != 0);
        }
    }
    assert(mix_parse(mix.text, &again, &error) == 0);
    assert(again.n == mix.n && strcmp(again.text, mix.text) == 0);
    return 0;
}
