/* SPDX-License-Identifier: Apache-2.0 */
#include "guests/lib/guest.h"

/* What trap_common leaves on the stack from the vector up. */
struct trap_frame {
	u64 vec, error, rip, cs, rflags, rsp, ss;
};

extern u64 pt_l4[512];
extern u64 idt[512];
extern char trap_entries[];
void idt_load(void);
void cpu_start(void);
void trap(const struct trap_frame *f);

#define MSR_APIC_BASE 0x1b
#define APIC_X2APIC_ON 0xc00
#define LAPIC_ID 0x02
#define LAPIC_EOI 0x0b
#define LAPIC_SVR 0x0f
#define SPURIOUS 0xff
#define POOL_PAGES 24

static u64 pool[POOL_PAGES][512] __attribute__((aligned(PAGE)));
static unsigned pool_used;
static void (*handlers[256])(void);

u64 cpu_ticks(void)
{
	u32 lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (u64)hi << 32 | lo;
}

u64 cpu_msr_read(u32 msr)
{
	u32 lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (u64)hi << 32 | lo;
}

void cpu_msr_write(u32 msr, u64 val)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)val), "d"((u32)(val >> 32)) : "memory");
}

void cpu_id(u32 leaf, u32 sub, u32 out[4])
{
	__asm__ volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(sub));
}

void cpu_halt(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

void cpu_triple_fault(void)
{
	static const struct { u16 limit; u64 base; } __attribute__((packed)) none;

	__asm__ volatile("lidt %0" : : "m"(none));
	/* Not mapped, and no gate to say so. */
	*(volatile u8 *)0x7fffff000000ULL = 0;
	cpu_halt();
}

u64 port_read(u16 port, unsigned size)
{
	u32 v = 0;

	switch (size) {
	case 1:
		__asm__ volatile("inb %w1, %b0" : "+a"(v) : "Nd"(port));
		break;
	case 2:
		__asm__ volatile("inw %w1, %w0" : "+a"(v) : "Nd"(port));
		break;
	default:
		__asm__ volatile("inl %w1, %0" : "+a"(v) : "Nd"(port));
	}
	return v;
}

void port_write(u16 port, unsigned size, u32 val)
{
	switch (size) {
	case 1:
		__asm__ volatile("outb %b0, %w1" : : "a"(val), "Nd"(port));
		break;
	case 2:
		__asm__ volatile("outw %w0, %w1" : : "a"(val), "Nd"(port));
		break;
	default:
		__asm__ volatile("outl %0, %w1" : : "a"(val), "Nd"(port));
	}
}

void port_read_string(u16 port, unsigned size, void *buf, u64 n)
{
	if (size == 1)
		__asm__ volatile("rep insb" : "+D"(buf), "+c"(n) : "d"(port) : "memory");
	else if (size == 2)
		__asm__ volatile("rep insw" : "+D"(buf), "+c"(n) : "d"(port) : "memory");
	else
		__asm__ volatile("rep insl" : "+D"(buf), "+c"(n) : "d"(port) : "memory");
}

void port_write_string(u16 port, unsigned size, const void *buf, u64 n)
{
	if (size == 1)
		__asm__ volatile("rep outsb" : "+S"(buf), "+c"(n) : "d"(port) : "memory");
	else if (size == 2)
		__asm__ volatile("rep outsw" : "+S"(buf), "+c"(n) : "d"(port) : "memory");
	else
		__asm__ volatile("rep outsl" : "+S"(buf), "+c"(n) : "d"(port) : "memory");
}

/* The table below entry e, made if it is absent. */
static u64 *table(u64 *e)
{
	if (!(*e & 1)) {
		if (pool_used == POOL_PAGES)
			fail("no more page table pages");
		*e = (u64)pool[pool_used++] | 3;
	}
	return (u64 *)(*e & ~0xfffULL);
}

static void map(u64 gpa)
{
	u64 *l3, *l2;

	if (gpa < GiB(4))
		return;
	l3 = table(&pt_l4[(gpa >> 39) & 511]);
	l2 = table(&l3[(gpa >> 30) & 511]);
	if (!(l2[(gpa >> 21) & 511] & 1))
		l2[(gpa >> 21) & 511] = (gpa & ~(MiB(2) - 1)) | 0x83;
}

/* One instruction of the size each, whatever the alignment. */
u64 mmio_read(u64 gpa, unsigned size)
{
	u64 v = 0;

	map(gpa);
	map(gpa + size - 1);
	switch (size) {
	case 1:
		__asm__ volatile("movb (%1), %b0" : "+r"(v) : "r"(gpa) : "memory");
		break;
	case 2:
		__asm__ volatile("movw (%1), %w0" : "+r"(v) : "r"(gpa) : "memory");
		break;
	case 4:
		__asm__ volatile("movl (%1), %k0" : "+r"(v) : "r"(gpa) : "memory");
		break;
	default:
		__asm__ volatile("movq (%1), %0" : "+r"(v) : "r"(gpa) : "memory");
	}
	return v;
}

void mmio_write(u64 gpa, unsigned size, u64 val)
{
	map(gpa);
	map(gpa + size - 1);
	switch (size) {
	case 1:
		__asm__ volatile("movb %b0, (%1)" : : "r"(val), "r"(gpa) : "memory");
		break;
	case 2:
		__asm__ volatile("movw %w0, (%1)" : : "r"(val), "r"(gpa) : "memory");
		break;
	case 4:
		__asm__ volatile("movl %k0, (%1)" : : "r"(val), "r"(gpa) : "memory");
		break;
	default:
		__asm__ volatile("movq %0, (%1)" : : "r"(val), "r"(gpa) : "memory");
	}
}

u64 lapic_read(u32 reg)
{
	return cpu_msr_read(0x800 + reg);
}

void lapic_write(u32 reg, u64 val)
{
	cpu_msr_write(0x800 + reg, val);
}

u32 lapic_id(void)
{
	return (u32)lapic_read(LAPIC_ID);
}

void irq_handle(u8 vec, void (*fn)(void))
{
	handlers[vec] = fn;
}

void irq_on(void)
{
	__asm__ volatile("sti" ::: "memory");
}

void irq_off(void)
{
	__asm__ volatile("cli" ::: "memory");
}

unsigned irq_wait(const volatile unsigned *count, unsigned want)
{
	u64 start = cpu_ticks();

	irq_on();
	while (*count < want && cpu_ticks() - start < PATIENCE)
		cpu_relax();
	irq_off();
	return *count;
}

void trap(const struct trap_frame *f)
{
	u64 cr2;

	if (f->vec == SPURIOUS)
		return;
	if (f->vec >= IRQ_FIRST && handlers[f->vec]) {
		handlers[f->vec]();
		lapic_write(LAPIC_EOI, 0);
		return;
	}
	__asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
	fail("trap %u error %x at %x address %x", (unsigned)f->vec, f->error, f->rip, cr2);
}

/* On each CPU: its local APIC in x2APIC mode, enabled. */
void cpu_start(void)
{
	static bool made;

	for (unsigned i = 0; i < 256 && !made; i++) {
		u64 at = (u64)trap_entries + 16 * i;

		idt[2 * i] = (at & 0xffff) | 0x08 << 16 | 0x8eULL << 40 | (at >> 16 & 0xffff) << 48;
		idt[2 * i + 1] = at >> 32;
	}
	if (!made)
		idt_load();
	made = true;
	cpu_msr_write(MSR_APIC_BASE, cpu_msr_read(MSR_APIC_BASE) | APIC_X2APIC_ON);
	lapic_write(LAPIC_SVR, 0x100 | SPURIOUS);
}
