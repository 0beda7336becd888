/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/viommu/s1.h"
#include "tests/unit/unit.h"
#include "vmm/mem.h"

#define LEAF 0x1000

static struct mem *mem;
static struct s1_backend b;
static struct s1_dev *dev[2];
static const struct s1_config cfg = { .kind = S1_TABLE, .tag = 7, .table = { .root = 0x4000, .levels = 4 } };

static void poke(gpa_t gpa, u64 v)
{
	assert_int_equal(mem_store(mem, gpa, 8, v), 0);
}

static int setup(void **state)
{
	struct mem_range r = { .gpa = 0, .len = MiB(4) };

	assert_int_equal(mem_create(&r, 1, false, &mem), 0);
	assert_int_equal(backend_soft_create(mem, 46, &b), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(b.ops->dev_add(b.be, NULL, &dev[i]), 0);
	for (unsigned level = 4; level > 1; level--)
		poke(level * 0x1000, (level - 1) * 0x1000 | 7);
	poke(LEAF, 0x9000 | 7);
	return 0;
}

static int teardown(void **state)
{
	for (unsigned i = 0; i < 2; i++)
		b.ops->dev_del(b.be, dev[i]);
	b.ops->destroy(b.be);
	mem_destroy(mem);
	return 0;
}

static enum s1_fault_kind look(unsigned d, u32 pasid, gpa_t *gpa)
{
	struct s1_xlat x = { 0 };
	enum s1_fault_kind why = b.ops->translate(b.be, dev[d], pasid, &cfg, 0x10, true, &x);

	*gpa = x.gpa;
	return why;
}

static void test_soft_translate_uses_cache_until_invalidated(void **state)
{
	struct s1_inv inv = { .scope = S1_INV_RANGE, .tag = 7, .pasid = 0, .addr = 0, .npages = 1 };
	unsigned done = 0, calls = 0;
	gpa_t gpa;

	assert_int_equal(look(0, DMA_NO_PASID, &gpa), S1_FAULT_NONE);
	poke(LEAF, 0xa000 | 7);
	assert_int_equal(look(0, DMA_NO_PASID, &gpa), S1_FAULT_NONE);
	assert_int_equal(gpa, 0x9000);
	assert_int_equal(b.ops->inv(b.be, &inv, 1, &done, &calls), 0);
	assert_int_equal(done, 1);
	assert_int_equal(calls, 0);
	assert_int_equal(look(0, DMA_NO_PASID, &gpa), S1_FAULT_NONE);
	assert_int_equal(gpa, 0xa000);
}

static void test_soft_fault_is_not_cached(void **state)
{
	gpa_t gpa;

	poke(LEAF, 0);
	assert_int_equal(look(0, 5, &gpa), S1_FAULT_NOT_PRESENT);
	poke(LEAF, 0x9000 | 7);
	assert_int_equal(look(0, 5, &gpa), S1_FAULT_NONE);
}

/* As a guest leaves it that takes a page's write permission away after it was written. */
static void test_soft_read_only_page_with_d_set_is_never_written(void **state)
{
	struct s1_xlat x = { 0 };

	poke(LEAF, 0x9000 | 0x65);
	assert_int_equal(b.ops->translate(b.be, dev[0], DMA_NO_PASID, &cfg, 0x10, false, &x), S1_FAULT_NONE);
	assert_false(x.writable);
	assert_int_equal(b.ops->translate(b.be, dev[0], DMA_NO_PASID, &cfg, 0x10, true, &x), S1_FAULT_NO_WRITE);
	assert_int_equal(b.ops->translate(b.be, dev[0], DMA_NO_PASID, &cfg, 0x10, false, &x), S1_FAULT_NONE);
}

static void test_soft_set_drops_only_that_device_and_pasid(void **state)
{
	gpa_t gpa;

	assert_int_equal(look(0, DMA_NO_PASID, &gpa) | look(0, 5, &gpa) | look(1, DMA_NO_PASID, &gpa), S1_FAULT_NONE);
	poke(LEAF, 0);
	assert_int_equal(b.ops->set(b.be, dev[0], DMA_NO_PASID, &cfg), 0);
	assert_int_equal(look(0, DMA_NO_PASID, &gpa), S1_FAULT_NOT_PRESENT);
	assert_int_equal(look(0, 5, &gpa), S1_FAULT_NONE);
	assert_int_equal(look(1, DMA_NO_PASID, &gpa), S1_FAULT_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_soft_translate_uses_cache_until_invalidated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_soft_fault_is_not_cached, setup, teardown),
		cmocka_unit_test_setup_teardown(test_soft_read_only_page_with_d_set_is_never_written, setup, teardown),
		cmocka_unit_test_setup_teardown(test_soft_set_drops_only_that_device_and_pasid, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
