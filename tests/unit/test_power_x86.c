/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "devices/power_x86.h"
#include "vmm/bus.h"
#include "vmm/irq.h"
#include "vmm/mem.h"
#include "vmm/memmap_x86_64.h"

static struct {
	unsigned events, edges;
	enum machine_event event;
	u32 code;
} seen;

static struct bus pio;
static struct irq *irq;
static struct mem *mem;
static struct dev_ctx ctx;
static struct power_x86 *p;

static void machine(void *arg, enum machine_event e, u32 code)
{
	seen.events++;
	seen.event = e;
	seen.code = code;
}

static void line(void *arg, u32 n, bool level)
{
	assert_int_equal(n, X86_GSI_GED);
	seen.edges += level;
}

static int signal_msi(void *arg, u64 addr, u32 data)
{
	return 0;
}

static const struct irq_backend be = { .signal_msi = signal_msi };

static int setup(void **state)
{
	struct mem_range r = { 0, MiB(1) };

	memset(&seen, 0, sizeof(seen));
	assert_int_equal(bus_init(&pio, "pio"), 0);
	assert_int_equal(irq_create(&be, NULL, &irq), 0);
	irq_set_lines(irq, &(struct irq_lines){ .set = line });
	assert_int_equal(mem_create(&r, 1, false, &mem), 0);
	ctx = (struct dev_ctx){ .pio = &pio, .irq = irq, .mem = mem, .machine = machine };
	assert_int_equal(power_x86_create(&ctx, &p), 0);
	return 0;
}

static int teardown(void **state)
{
	power_x86_destroy(p);
	mem_destroy(mem);
	irq_destroy(irq);
	bus_fini(&pio);
	return 0;
}

static u64 in(u16 port)
{
	u64 v;

	bus_read(&pio, port, 1, &v);
	return v;
}

static void test_power_sleep_s5_powers_off(void **state)
{
	bus_write(&pio, X86_SLEEP_CTRL_PORT, 1, X86_SLP_TYP_S5 << 2 | 0x20);
	assert_int_equal(seen.events, 1);
	assert_int_equal(seen.event, MACHINE_POWEROFF);
	assert_int_equal(in(X86_SLEEP_CTRL_PORT), X86_SLP_TYP_S5 << 2);
}

static void test_power_sleep_other_values_do_nothing(void **state)
{
	for (unsigned v = 0; v < 256; v++) {
		if ((v & 0x3c) == (X86_SLP_TYP_S5 << 2 | 0x20))
			continue;
		bus_write(&pio, X86_SLEEP_CTRL_PORT, 1, v);
		assert_int_equal(in(X86_SLEEP_CTRL_PORT), v & 0x1c);
	}
	bus_write(&pio, X86_SLEEP_STATUS_PORT, 1, 0xff);
	assert_int_equal(in(X86_SLEEP_STATUS_PORT), 0);
	assert_int_equal(seen.events, 0);
}

static void test_power_reset_is_warm_if_word_says_so(void **state)
{
	static const struct {
		u16 word;
		u32 code;
	} row[] = { { 0, 0 }, { 0x1234, 1 }, { 0x1235, 0 }, { 0x3412, 0 } };

	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		assert_int_equal(mem_store(mem, X86_WARM_RESET_GPA, 2, row[i].word), 0);
		bus_write(&pio, X86_RESET_PORT, 1, X86_RESET_VALUE);
		assert_int_equal(seen.events, i + 1);
		assert_int_equal(seen.event, MACHINE_RESET);
		assert_int_equal(seen.code, row[i].code);
	}
}

static void test_power_reset_other_values_do_nothing(void **state)
{
	for (unsigned v = 0; v < 256; v++) {
		if (v != X86_RESET_VALUE)
			bus_write(&pio, X86_RESET_PORT, 1, v);
	}
	assert_int_equal(seen.events, 0);
}

static void test_power_button_pends_until_read(void **state)
{
	assert_int_equal(in(X86_GED_PORT), 0);
	power_x86_button(p);
	assert_int_equal(seen.edges, 1);
	assert_int_equal(in(X86_GED_PORT), X86_GED_POWER_BUTTON);
	assert_int_equal(in(X86_GED_PORT), 0);
	power_x86_button(p);
	power_x86_button(p);
	assert_int_equal(seen.edges, 3);
	power_x86_reset(p);
	assert_int_equal(in(X86_GED_PORT), 0);
}

static void test_power_wide_access_reaches_each_port(void **state)
{
	u64 v;

	power_x86_button(p);
	bus_write(&pio, X86_SLEEP_CTRL_PORT, 4, 0xffffff0c);
	assert_int_equal(seen.events, 0);
	bus_read(&pio, X86_SLEEP_CTRL_PORT, 4, &v);
	assert_int_equal(v, X86_GED_POWER_BUTTON << 24 | 0x0c);
	bus_write(&pio, X86_SLEEP_CTRL_PORT, 4, X86_RESET_VALUE << 16);
	assert_int_equal(seen.events, 1);
	bus_read(&pio, X86_SLEEP_CTRL_PORT, 8, &v);
	assert_int_equal(v, ~0ULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_power_sleep_s5_powers_off, setup, teardown),
		cmocka_unit_test_setup_teardown(test_power_sleep_other_values_do_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_power_reset_is_warm_if_word_says_so, setup, teardown),
		cmocka_unit_test_setup_teardown(test_power_reset_other_values_do_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_power_button_pends_until_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_power_wide_access_reaches_each_port, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
