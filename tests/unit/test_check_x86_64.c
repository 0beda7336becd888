/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "vmm/check.h"
#include "vmm/memmap_x86_64.h"

static struct mem *new_ram(u64 len)
{
	const struct mem_range r = { 0, len };
	struct mem *m;

	assert_int_equal(mem_create(&r, 1, false, &m), 0);
	return m;
}

static u64 word(const struct mem *m, gpa_t gpa)
{
	u8 b[8];

	assert_int_equal(mem_read(m, gpa, b, 8), 0);
	return get_le(b, 8);
}

/* Entry, stack, page tables and the whole IDT lie in the RAM that is identity-mapped. */
static void test_check_guest_load_is_complete(void **state)
{
	struct mem *m = new_ram(CHECK_GUEST_RAM);
	struct boot_entry e;
	u64 pml4, pdpt, idt;
	u8 first[3];

	assert_int_equal(check_guest_load(m, &e), 0);
	assert_true(e.long_mode);
	assert_true(e.rip < CHECK_GUEST_RAM && e.rsp < CHECK_GUEST_RAM);
	pml4 = word(m, e.cr3);
	pdpt = word(m, pml4 & ~0xfffULL);
	assert_int_equal(pml4 & 3, 3);
	assert_int_equal(pdpt & 3, 3);
	assert_int_equal(word(m, pdpt & ~0xfffULL), 0x83);
	/* lidt disp32: 0f 01 1c 25 */
	assert_int_equal(mem_read(m, e.rip, first, 3), 0);
	assert_memory_equal(first, "\x0f\x01\x1c", 3);
	idt = word(m, e.rip + 4) & 0xffffffff;
	assert_int_equal(word(m, idt) & 0xffff, 32 * 16 - 1);
	idt = word(m, idt) >> 16;
	for (unsigned v = 0; v < 32; v++) {
		u64 g = word(m, idt + 16 * v), target = (g & 0xffff) | (g >> 48) << 16;

		assert_int_equal(g >> 16 & 0xffff, 0x10);
		assert_int_equal(g >> 40 & 0xff, 0x8e);
		assert_true(target > e.rip && target < e.rip + 512);
		/* iretq, or out %al, $0xf5 */
		assert_int_equal(word(m, target) & 0xffff, v == 3 ? 0xcf48 : 0xf5e6);
	}
	assert_string_equal(check_guest_step(m), "its first instruction");
	mem_destroy(m);
}

static void test_check_guest_step_unknown_is_total(void **state)
{
	struct mem *m = new_ram(CHECK_GUEST_RAM), *small = new_ram(MiB(1));
	struct boot_entry e;

	assert_int_equal(mem_write(m, 0x112000, "\xff", 1), 0);
	assert_string_equal(check_guest_step(m), "something unknown");
	assert_int_equal(mem_write(m, 0x112000, "\x02", 1), 0);
	assert_string_equal(check_guest_step(m), "cmpxchg16b");
	assert_string_equal(check_guest_step(small), "something unknown");
	assert_true(check_guest_load(small, &e) < 0);
	mem_destroy(m);
	mem_destroy(small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check_guest_load_is_complete),
		cmocka_unit_test(test_check_guest_step_unknown_is_total),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
