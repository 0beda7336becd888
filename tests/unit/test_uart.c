/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "devices/uart.h"
#include "vmm/bus.h"

#define BASE 0x3f8

static struct {
	struct bus bus;
	struct uart *u;
	bool line;
	unsigned edges, ready;
	char sent[256];
	unsigned n_sent;
} t;

void irq_line(struct irq *irq, u32 line, bool level)
{
	assert_int_equal(line, 4);
	t.edges += level && !t.line;
	t.line = level;
}

static void out(void *arg, const u8 *buf, unsigned len)
{
	for (unsigned i = 0; i < len && t.n_sent < sizeof(t.sent) - 1; i++)
		t.sent[t.n_sent++] = (char)buf[i];
}

static void in_ready(void *arg)
{
	t.ready++;
}

static int setup(void **state)
{
	struct uart_host host = { out, in_ready, NULL };

	memset(&t, 0, sizeof(t));
	assert_int_equal(bus_init(&t.bus, "pio"), 0);
	return uart_create(&t.bus, BASE, NULL, 4, &host, &t.u);
}

static int teardown(void **state)
{
	uart_destroy(t.u);
	bus_fini(&t.bus);
	return 0;
}

static u8 rd(unsigned reg)
{
	u64 v;

	bus_read(&t.bus, BASE + reg, 1, &v);
	return (u8)v;
}

static void wr(unsigned reg, u8 v)
{
	bus_write(&t.bus, BASE + reg, 1, v);
}

/* As a driver opens the port: FIFOs on and empty, DTR RTS OUT2. */
static void open_port(u8 ier)
{
	wr(2, 0x07);
	wr(4, 0x0b);
	wr(1, ier);
}

static void type(const char *s, unsigned want)
{
	assert_int_equal(uart_in(t.u, (const u8 *)s, (unsigned)strlen(s)), want);
}

/* What each register reads after reset and after 0, 0xff and every single bit was written to it (DLAB off, nothing else changed). */
static const struct {
	unsigned reg;
	u8 reset, writable;
} regs[] = {
	{ 1, 0x00, 0x0f }, { 3, 0x00, 0x7f }, { 4, 0x00, 0x0f }, { 5, 0x60, 0 }, { 7, 0x00, 0xff },
};

static void test_uart_registers_keep_their_writable_bits(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(regs); i++) {
		unsigned r = regs[i].reg;

		assert_int_equal(rd(r), regs[i].reset);
		for (int b = -1; b <= 8; b++) {
			u8 v = b < 0 ? 0 : b == 8 ? 0xff : (u8)(1U << b);

			if (r == 3)
				v &= 0x7f;
			if (r == 4)
				v &= 0xef;
			wr(r, v);
			assert_int_equal(rd(r), (v & regs[i].writable) | (regs[i].writable ? 0 : regs[i].reset));
		}
		wr(r, 0);
	}
	assert_int_equal(rd(6), 0xb0);
	assert_int_equal(rd(2), 0x01);
	assert_int_equal(rd(0), 0);
}

static void test_uart_divisor_latch_is_apart(void **state)
{
	wr(1, 0x05);
	wr(3, 0x83);
	wr(0, 0x34);
	wr(1, 0x12);
	assert_int_equal(rd(0), 0x34);
	assert_int_equal(rd(1), 0x12);
	wr(3, 0x03);
	assert_int_equal(rd(1), 0x05);
	assert_int_equal(t.n_sent, 0);
}

/* The steps by which a driver tells an 8250 from a 16450, 16550 and 16550A. */
static void test_uart_is_found_as_16550a(void **state)
{
	wr(7, 0xa5);
	assert_int_equal(rd(7), 0xa5);
	wr(4, 0x1a);
	assert_int_equal(rd(6) & 0xf0, 0x90);
	wr(4, 0x00);
	wr(2, 0x01);
	assert_int_equal(rd(2) & 0xc0, 0xc0);
	/* No 16750 (64-byte FIFO), no 16650 (EFR). */
	wr(2, 0x21);
	assert_int_equal(rd(2) & 0x20, 0);
	wr(3, 0x80);
	assert_int_not_equal(rd(2), 0);
	wr(3, 0);
	wr(2, 0);
	assert_int_equal(rd(2) & 0xc0, 0);
}

static void test_uart_output_reaches_the_host(void **state)
{
	const char *s = "hello\n";

	for (const char *p = s; *p; p++)
		wr(0, (u8)*p);
	assert_string_equal(t.sent, s);
	assert_int_equal(rd(5), 0x60);
	assert_false(t.line);
}

static void test_uart_thre_interrupt_comes_with_each_enable_and_goes_with_iir(void **state)
{
	open_port(0);
	for (int i = 0; i < 2; i++) {
		wr(1, 0x02);
		assert_true(t.line);
		assert_int_equal(rd(2), 0xc2);
		assert_false(t.line);
		assert_int_equal(rd(2), 0xc1);
		wr(1, 0);
	}
	wr(1, 0x02);
	rd(2);
	wr(0, 'x');
	assert_true(t.line);
	assert_int_equal(t.edges, 4);
	assert_int_equal(rd(2), 0xc2);
	assert_int_equal(rd(2), 0xc1);
}

static void test_uart_interrupt_is_gated_by_out2(void **state)
{
	wr(1, 0x02);
	assert_false(t.line);
	assert_int_equal(rd(2) & 0x0f, 0x02);
	wr(1, 0);
	wr(1, 0x02);
	wr(4, 0x08);
	assert_true(t.line);
	wr(4, 0x00);
	assert_false(t.line);
}

static void test_uart_receive_trigger_and_timeout(void **state)
{
	open_port(0x01);
	wr(2, 0x81);
	type("1234567", 7);
	assert_true(t.line);
	assert_int_equal(rd(2), 0xcc);
	type("8", 1);
	assert_int_equal(rd(2), 0xc4);
	for (char c = '1'; c <= '8'; c++) {
		assert_int_equal(rd(5), 0x61);
		assert_int_equal(rd(0), c);
	}
	assert_int_equal(rd(5), 0x60);
	assert_int_equal(rd(0), 0);
	assert_false(t.line);
}

static void test_uart_priorities_highest_first(void **state)
{
	open_port(0x0f);
	wr(4, 0x1b);
	/* In loopback: 17 bytes overrun, the modem lines changed, THR is empty. */
	for (int i = 0; i < 17; i++)
		wr(0, (u8)('a' + i));
	assert_int_equal(rd(2), 0xc6);
	assert_int_equal(rd(5), 0x63);
	assert_int_equal(rd(5), 0x61);
	assert_int_equal(rd(2), 0xc4);
	for (int i = 0; i < 16; i++)
		assert_int_equal(rd(0), 'a' + i);
	assert_int_equal(rd(2), 0xc2);
	wr(4, 0x10);
	assert_int_equal(rd(2), 0xc0);
	assert_int_equal(rd(6), 0x0b);
	assert_int_equal(rd(6), 0x00);
	assert_int_equal(rd(2), 0xc1);
	assert_int_equal(t.n_sent, 0);
}

static void test_uart_input_waits_for_rts_and_room(void **state)
{
	type("early", 0);
	wr(2, 0x07);
	wr(4, 0x0b);
	assert_int_equal(t.ready, 1);
	type("0123456789abcdefgh", 16);
	assert_int_equal(t.ready, 1);
	assert_int_equal(rd(0), '0');
	assert_int_equal(t.ready, 2);
	type("g", 1);
	type("h", 0);
	/* Cleared by the guest: what was taken is gone, the rest is asked for again. */
	wr(2, 0x03);
	assert_int_equal(t.ready, 3);
	assert_int_equal(rd(5), 0x60);
	type("h", 1);
	assert_int_equal(rd(0), 'h');
}

static void test_uart_without_fifo_holds_one_byte(void **state)
{
	wr(4, 0x0b);
	wr(1, 0x01);
	type("ab", 1);
	assert_int_equal(rd(2), 0x04);
	assert_int_equal(rd(0), 'a');
	assert_int_equal(t.ready, 1);
}

static void test_uart_reset_is_power_on(void **state)
{
	open_port(0x0f);
	type("abc", 3);
	assert_true(t.line);
	uart_reset(t.u);
	assert_false(t.line);
	assert_int_equal(rd(2), 0x01);
	assert_int_equal(rd(5), 0x60);
	assert_int_equal(rd(6), 0xb0);
	type("x", 0);
}

/* Every offset and width that fits the region is defined and leaves a working port. */
static void test_uart_any_width_is_total(void **state)
{
	static const u64 vals[] = { 0, ~0ULL, 0x1f1f1f1f1f1f1f1f, 0x8000000000000001 };
	u64 v;

	for (unsigned off = 0; off < 8; off++) {
		for (unsigned size = 1; size <= 8 - off; size++) {
			for (unsigned i = 0; i < ARRAY_SIZE(vals); i++) {
				bus_write(&t.bus, BASE + off, size, vals[i]);
				bus_read(&t.bus, BASE + off, size, &v);
				assert_int_equal(v & ~size_mask(size), 0);
			}
		}
	}
	wr(3, 0);
	wr(4, 0);
	t.n_sent = 0;
	wr(0, 'k');
	assert_int_equal(t.sent[0], 'k');
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_uart_registers_keep_their_writable_bits),
		T(test_uart_divisor_latch_is_apart),
		T(test_uart_is_found_as_16550a),
		T(test_uart_output_reaches_the_host),
		T(test_uart_thre_interrupt_comes_with_each_enable_and_goes_with_iir),
		T(test_uart_interrupt_is_gated_by_out2),
		T(test_uart_receive_trigger_and_timeout),
		T(test_uart_priorities_highest_first),
		T(test_uart_input_waits_for_rts_and_room),
		T(test_uart_without_fifo_holds_one_byte),
		T(test_uart_reset_is_power_on),
		T(test_uart_any_width_is_total),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
