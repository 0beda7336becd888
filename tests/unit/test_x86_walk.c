/* SPDX-License-Identifier: Apache-2.0 */
// wrap: mem_cmpxchg64
#include "devices/viommu/x86_walk.h"
#include "tests/unit/unit.h"
#include "vmm/mem.h"

#define P 1ULL
#define RW 2ULL
#define US 4ULL
#define A 0x20ULL
#define D 0x40ULL
#define PS 0x80ULL
#define XD BIT(63)
#define RAM_LEN MiB(4)

static struct mem *mem;
static struct s1_table table;
static struct x86_walk w;
static int swaps_refused;

int __real_mem_cmpxchg64(const struct mem *m, gpa_t gpa, u64 old, u64 new_val);
int __wrap_mem_cmpxchg64(const struct mem *m, gpa_t gpa, u64 old, u64 new_val)
{
	if (swaps_refused > 0) {
		swaps_refused--;
		return -EAGAIN;
	}
	return __real_mem_cmpxchg64(m, gpa, old, new_val);
}

static void poke(gpa_t gpa, u64 v)
{
	assert_int_equal(mem_store(mem, gpa, 8, v), 0);
}

static u64 peek(gpa_t gpa)
{
	u64 v = 0;

	assert_int_equal(mem_load(mem, gpa, 8, &v), 0);
	return v;
}

/* Tables of levels 5..1 at 0x5000..0x1000, each pointing to the next through every slot that the tests use: 0, 1 and 511. */
static int setup(void **state)
{
	static const unsigned slots[] = { 0, 1, 511 };
	struct mem_range r = { .gpa = 0, .len = RAM_LEN };

	assert_int_equal(mem_create(&r, 1, false, &mem), 0);
	for (unsigned level = 5; level > 1; level--) {
		for (unsigned i = 0; i < ARRAY_SIZE(slots); i++)
			poke(level * 0x1000 + 8 * slots[i], (level - 1) * 0x1000 | P | RW | US);
	}
	table = (struct s1_table){ .root = 0x4000, .levels = 4 };
	w = (struct x86_walk){ .mem = mem, .table = &table, .haw = 46, .page_1g = true };
	swaps_refused = 0;
	return 0;
}

static int teardown(void **state)
{
	mem_destroy(mem);
	return 0;
}

static void test_walk_each_page_size_translates(void **state)
{
	static const struct { gpa_t at; u64 pte; iova_t iova; u8 shift; gpa_t gpa; } rows[] = {
		{ 0x1000 + 8, 0x123000 | P | RW | US, 0x1abc, 12, 0x123000 },
		{ 0x2000 + 8, 0x200000 | P | RW | US | PS, 0x2abcde, 21, 0x200000 },
		{ 0x3000 + 8, 0x40000000 | P | RW | US | PS, 0x7fffffff, 30, 0x40000000 },
		{ 0x3000 + 8, 0x40000000 | P | RW | US | PS | BIT(12), 0x40000000, 30, 0x40000000 },
	};
	struct s1_xlat x;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		poke(rows[i].at, rows[i].pte);
		assert_int_equal(x86_walk(&w, rows[i].iova, true, &x), S1_FAULT_NONE);
		assert_int_equal(x.shift, rows[i].shift);
		assert_int_equal(x.gpa, rows[i].gpa);
		assert_true(x.writable);
		assert_int_equal(peek(rows[i].at) & (A | D), A | D);
	}
}

static void test_walk_five_levels_translates(void **state)
{
	struct s1_xlat x;

	table = (struct s1_table){ .root = 0x5000, .levels = 5 };
	poke(0x1000 + 8 * 511, 0x7000 | P | US);
	assert_int_equal(x86_walk(&w, ~0xfffULL, false, &x), S1_FAULT_NONE);
	assert_int_equal(x.gpa, 0x7000);
	assert_false(x.writable);
	poke(0x1000, 0x8000 | P | US);
	assert_int_equal(x86_walk(&w, 0x0001000000000000, false, &x), S1_FAULT_NONE);
	assert_int_equal(x86_walk(&w, 0x0100000000000000, false, &x), S1_FAULT_NOT_CANONICAL);
}

static void test_walk_not_canonical_faults(void **state)
{
	static const iova_t bad[] = { 0x800000000000, 0xffff000000000000, 0x8000000000000000, 0xffff7fffffffffff };
	struct s1_xlat x;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(x86_walk(&w, bad[i], false, &x), S1_FAULT_NOT_CANONICAL);
}

/* AMD: no sign; the top bit of the table's range is an address bit like others. */
static void test_walk_zero_extended_address_has_no_sign(void **state)
{
	struct s1_table keep = table;
	struct s1_xlat x;

	table.zero_extended = true;
	assert_int_equal(x86_walk(&w, 0xffff800000000000, false, &x), S1_FAULT_NOT_CANONICAL);
	assert_int_equal(x86_walk(&w, BIT(48), false, &x), S1_FAULT_NOT_CANONICAL);
	assert_int_equal(x86_walk(&w, BIT(47), false, &x), S1_FAULT_NOT_PRESENT);
	poke(0x4000 + 8 * 256, peek(0x4000));
	poke(0x1000, 0x9000 | P | RW | US);
	assert_int_equal(x86_walk(&w, BIT(47) | 0x123, false, &x), S1_FAULT_NONE);
	table = keep;
}

static void test_walk_bad_entry_faults_and_sets_nothing(void **state)
{
	static const struct { gpa_t at; u64 pte; bool write; enum s1_fault_kind want; } rows[] = {
		{ 0x4000, 0, false, S1_FAULT_NOT_PRESENT },
		{ 0x3000, 0, false, S1_FAULT_NOT_PRESENT },
		{ 0x1000, 0xfffffffffffff000 & ~P, false, S1_FAULT_NOT_PRESENT },
		{ 0x1000, 0x9000 | P | RW, false, S1_FAULT_PRIVILEGE },
		{ 0x1000, 0x9000 | P | US, true, S1_FAULT_NO_WRITE },
		{ 0x2000, 0x1000 | P | US, true, S1_FAULT_NO_WRITE },
		{ 0x3000, 0x2000 | P | RW, false, S1_FAULT_PRIVILEGE },
		{ 0x4000, 0x3000 | P | RW | US | PS, false, S1_FAULT_RESERVED },
		{ 0x3000, P | RW | US | PS | BIT(13), false, S1_FAULT_RESERVED },
		{ 0x2000, P | RW | US | PS | BIT(20), false, S1_FAULT_RESERVED },
		{ 0x1000, 0x9000 | P | RW | US | BIT(46), false, S1_FAULT_RESERVED },
		{ 0x3000, 0x2000 | P | RW | US | BIT(51), false, S1_FAULT_RESERVED },
		{ 0x2000, RAM_LEN | P | RW | US, false, S1_FAULT_TABLE },
		{ 0x1000, 0xfee00000 | P | RW | US, true, S1_FAULT_MSI_RANGE },
		{ 0x1000, 0xfeeff000 | P | RW | US, true, S1_FAULT_MSI_RANGE },
		{ 0x2000, 0xfee00000 | P | RW | US | PS, true, S1_FAULT_MSI_RANGE },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct s1_xlat x = { .gpa = 77 };
		u64 keep = peek(rows[i].at);

		poke(0x1000, 0x9000 | P | RW | US);
		poke(rows[i].at, rows[i].pte);
		assert_int_equal(x86_walk(&w, 0x123, rows[i].write, &x), rows[i].want);
		assert_int_equal(x.gpa, rows[i].want == S1_FAULT_TABLE ? RAM_LEN : 77);
		assert_int_equal(peek(rows[i].at), rows[i].pte);
		assert_int_equal(peek(0x4000) & A, 0);
		poke(rows[i].at, keep);
	}
}

static void test_walk_ignored_bits_are_ignored(void **state)
{
	struct s1_xlat x;

	poke(0x1000, 0x9000 | P | RW | US | XD | GENMASK(62, 52) | GENMASK(11, 8) | PS);
	assert_int_equal(x86_walk(&w, 0, true, &x), S1_FAULT_NONE);
	assert_int_equal(x.gpa, 0x9000);
}

static void test_walk_large_page_beside_msi_range_passes(void **state)
{
	struct s1_xlat x;

	poke(0x3000 + 24, 0xc0000000 | P | RW | US | PS);
	assert_int_equal(x86_walk(&w, 0xc0000000, true, &x), S1_FAULT_NONE);
	assert_int_equal(x86_walk(&w, 0xfee00000, true, &x), S1_FAULT_MSI_RANGE);
	assert_int_equal(x86_walk(&w, 0xfef00000, true, &x), S1_FAULT_NONE);
}

static void test_walk_no_1g_pages_is_reserved(void **state)
{
	struct s1_xlat x;

	w.page_1g = false;
	poke(0x3000, P | RW | US | PS);
	assert_int_equal(x86_walk(&w, 0, false, &x), S1_FAULT_RESERVED);
}

static void test_walk_root_outside_ram_faults(void **state)
{
	static const gpa_t roots[] = { RAM_LEN, 0xfee00000, 0x3ffffffff000, 0xfffffffff000 };
	struct s1_xlat x;

	for (unsigned i = 0; i < ARRAY_SIZE(roots); i++) {
		table.root = roots[i];
		assert_int_equal(x86_walk(&w, 0, false, &x), S1_FAULT_ROOT);
	}
}

static void test_walk_read_sets_accessed_only(void **state)
{
	struct s1_xlat x;

	poke(0x1000, 0x9000 | P | RW | US);
	assert_int_equal(x86_walk(&w, 0, false, &x), S1_FAULT_NONE);
	assert_int_equal(peek(0x1000) & (A | D), A);
	assert_int_equal(peek(0x2000) & (A | D), A);
	assert_int_equal(peek(0x4000) & (A | D), A);
}

static void test_walk_changed_entry_restarts(void **state)
{
	struct s1_xlat x;

	poke(0x1000, 0x9000 | P | RW | US);
	swaps_refused = 3;
	assert_int_equal(x86_walk(&w, 0, true, &x), S1_FAULT_NONE);
	assert_int_equal(swaps_refused, 0);
}

static void test_walk_ever_changing_entry_ends_with_fault(void **state)
{
	struct s1_xlat x;

	poke(0x1000, 0x9000 | P | RW | US);
	swaps_refused = 1000000;
	assert_int_equal(x86_walk(&w, 0, true, &x), S1_FAULT_AD);
	assert_true(swaps_refused > 1000000 - 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_walk_each_page_size_translates, setup, teardown),
		cmocka_unit_test_setup_teardown(test_walk_five_levels_translates, setup, teardown),
		cmocka_unit_test_setup_teardown(test_walk_not_canonical_faults, setup, teardown),
		cmocka_unit_test_setup_teardown(test_walk_zero_extended_address_has_no_sign, setup, teardown),
		cmocka_unit_test_setup_teardown(test_walk_bad_entry_faults_and_sets_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_walk_ignored_bits_are_ignored, setup, teardown),
		cmocka_unit_test_setup_teardown(test_walk_large_page_beside_msi_range_passes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_walk_no_1g_pages_is_reserved, setup, teardown),
		cmocka_unit_test_setup_teardown(test_walk_root_outside_ram_faults, setup, teardown),
		cmocka_unit_test_setup_teardown(test_walk_read_sets_accessed_only, setup, teardown),
		cmocka_unit_test_setup_teardown(test_walk_changed_entry_restarts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_walk_ever_changing_entry_ends_with_fault, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
