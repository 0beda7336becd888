/* SPDX-License-Identifier: Apache-2.0 */
#include "guests/lib/guest.h"

#define TRAMPOLINE 0x10000
#define LAPIC_ICR 0x30
#define ICR_INIT_ALL_OTHERS 0xc4500
#define ICR_STARTUP_ALL_OTHERS (0xc4600 | TRAMPOLINE >> 12)
#define TICK_VEC 0xe0
#define TICK_NS 1000000

extern const char smp_trampoline[], smp_trampoline_end[];
void cpu_start(void);
void smp_entry(unsigned index);

static void (*volatile work)(unsigned index);
static volatile unsigned up = 1;
static volatile u64 ticks;

void smp_entry(unsigned index)
{
	cpu_start();
	__atomic_add_fetch(&up, 1, __ATOMIC_SEQ_CST);
	work(index);
}

unsigned smp_start(unsigned want, void (*fn)(unsigned index))
{
	u64 start = cpu_ticks();

	work = fn;
	memcpy((void *)TRAMPOLINE, smp_trampoline, (size_t)(smp_trampoline_end - smp_trampoline));
	lapic_write(LAPIC_ICR, ICR_INIT_ALL_OTHERS);
	lapic_write(LAPIC_ICR, ICR_STARTUP_ALL_OTHERS);
	while (up < want && cpu_ticks() - start < PATIENCE)
		cpu_relax();
	return up;
}

/* Each tick asks the VMM for something: a lock that is never given back would be seen. */
static void on_tick(void)
{
	pci_read(0, 0, 2);
	ticks++;
}

static void count(unsigned index)
{
	lapic_write(LAPIC_TIMER_DIVIDE, 0xb);
	lapic_write(LAPIC_LVT_TIMER, TICK_VEC | LAPIC_TIMER_PERIODIC);
	lapic_write(LAPIC_TIMER_COUNT, TICK_NS);
	irq_on();
	for (;;)
		cpu_wait();
}

void tick_start(void)
{
	unsigned n;

	irq_handle(TICK_VEC, on_tick);
	n = smp_start(2, count);
	CHECK(n == 2, "the second CPU did not start");
	tick_check("start");
}

void tick_check(const char *during)
{
	static u64 seen;
	u64 start = cpu_ticks();

	while (ticks == seen) {
		CHECK(cpu_ticks() - start < PATIENCE, "the other CPU stopped: %s", during);
		cpu_relax();
	}
	seen = ticks;
}

void lock_take(struct lock *l)
{
	while (__atomic_exchange_n(&l->taken, 1, __ATOMIC_ACQUIRE))
		cpu_relax();
}

void lock_give(struct lock *l)
{
	__atomic_store_n(&l->taken, 0, __ATOMIC_RELEASE);
}
