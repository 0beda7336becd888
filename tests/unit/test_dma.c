/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "vmm/dma.h"
#include "vmm/mem.h"

static struct mem *m;
static struct dma d;

static int setup(void **state)
{
	static const struct mem_range r[] = { { 0, MiB(1) }, { MiB(1), MiB(1) } };

	dma_identity_init(&d, NULL);
	if (mem_create(r, 2, false, &m))
		return -1;
	dma_identity_init(&d, m);
	return 0;
}

static int teardown(void **state)
{
	mem_destroy(m);
	return 0;
}

static void test_dma_identity_copies_large_ranges(void **state)
{
	static u8 in[200000], out[200000];

	for (unsigned i = 0; i < sizeof(in); i++)
		in[i] = (u8)(i * 13);
	assert_int_equal(dma_write(&d, MiB(1) - 100001, in, sizeof(in)), 0);
	assert_int_equal(dma_read(&d, MiB(1) - 100001, out, sizeof(out)), 0);
	assert_memory_equal(in, out, sizeof(in));
}

static void test_dma_outside_ram_is_efault(void **state)
{
	static const struct {
		iova_t iova;
		u64 len;
	} bad[] = { { MiB(2), 1 }, { MiB(2) - 1, 2 }, { ~0ULL, 1 }, { ~0ULL, 2 }, { 1ULL << 63, 4096 } };
	u8 b[4096] = { 0 };

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(dma_read(&d, bad[i].iova, b, bad[i].len), -EFAULT);
		assert_int_equal(dma_write(&d, bad[i].iova, b, bad[i].len), -EFAULT);
	}
	assert_int_equal(dma_read(&d, ~0ULL, b, 0), 0);
}

static void test_dma_failed_get_leaves_no_span(void **state)
{
	struct dma_span s;
	struct iovec iov[2];

	assert_int_equal(dma_get(&d, MiB(2), 16, DMA_READ, &s, iov, 2), -EFAULT);
	assert_null(s.dma);
	dma_put(&s);
	assert_int_equal(dma_get(&d, 0, 0, DMA_READ, &s, iov, 2), -EFAULT);
	assert_int_equal(dma_get(&d, MiB(1) - 8, 16, DMA_READ, &s, iov, 1), -E2BIG);
	assert_null(s.dma);
	assert_int_equal(dma_get(&d, MiB(1) - 8, 16, DMA_READ, &s, iov, 2), 2);
	assert_non_null(s.dma);
	dma_put(&s);
	assert_null(s.dma);
	dma_put(&s);
}

static void test_dma_words_are_checked(void **state)
{
	u64 v = 5;

	assert_int_equal(dma_store(&d, 0x100, 4, 0xa1b2c3d4), 0);
	assert_int_equal(dma_load(&d, 0x102, 2, &v), 0);
	assert_int_equal(v, 0xa1b2);
	assert_int_equal(dma_load(&d, 0x101, 2, &v), -EINVAL);
	assert_int_equal(dma_load(&d, 0x100, 16, &v), -EINVAL);
	assert_int_equal(dma_store(&d, MiB(2), 4, 0), -EFAULT);
	assert_int_equal(v, 0xa1b2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dma_identity_copies_large_ranges),
		cmocka_unit_test(test_dma_outside_ram_is_efault),
		cmocka_unit_test(test_dma_failed_get_leaves_no_span),
		cmocka_unit_test(test_dma_words_are_checked),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
