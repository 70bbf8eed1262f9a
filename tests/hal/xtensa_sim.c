/* QEMU's `sim` machine: runs a generated model on bytes from standard input, its outputs to standard output. There is
 * no C library for this core: the few functions that the compiler and the kernels call are here. */
#include <stddef.h>
#include <stdint.h>
#include MODEL_HEADER

enum {
    SIM_EXIT = 1,
    SIM_READ = 3,
    SIM_WRITE = 4
};

static int sim(int call, int a, int b, int c) {
    register int a2 __asm("a2") = call;
    register int a3 __asm("a3") = a;
    register int a4 __asm("a4") = b;
    register int a5 __asm("a5") = c;
    __asm volatile("simcall" : "+r"(a2), "+r"(a3) : "r"(a4), "r"(a5) : "memory");
    return a2;
}

void *memcpy(void *to, const void *from, size_t size) {
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
    }
    return to;
}

void *memmove(void *to, const void *from, size_t size) {
    if ((uintptr_t)to <= (uintptr_t)from) {
        return memcpy(to, from, size);
    }
    for (size_t i = size; i > 0u; i--) {
        ((uint8_t *)to)[i - 1u] = ((const uint8_t *)from)[i - 1u];
    }
    return to;
}

void *memset(void *to, int value, size_t size) {
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)to)[i] = (uint8_t)value;
    }
    return to;
}

unsigned __udivsi3(unsigned a, unsigned b) {
    unsigned quotient = 0;
    unsigned rest = 0;
    for (int bit = 31; bit >= 0; bit--) {
        rest = rest << 1 | (a >> bit & 1u);
        if (rest >= b) {
            rest -= b;
            quotient |= 1u << bit;
        }
    }
    return quotient;
}

unsigned __umodsi3(unsigned a, unsigned b) {
    return a - __udivsi3(a, b) * b;
}

int __divsi3(int a, int b) {
    unsigned quotient = __udivsi3(a < 0 ? 0u - (unsigned)a : (unsigned)a, b < 0 ? 0u - (unsigned)b : (unsigned)b);
    return (a < 0) != (b < 0) ? (int)(0u - quotient) : (int)quotient;
}

int __modsi3(int a, int b) {
    return a - __divsi3(a, b) * b;
}

/* The full product of two words by their halves, then what the upper words add. */
unsigned long long __muldi3(unsigned long long a, unsigned long long b) {
    uint32_t a0 = (uint32_t)a & 0xFFFFu;
    uint32_t a1 = (uint32_t)a >> 16;
    uint32_t b0 = (uint32_t)b & 0xFFFFu;
    uint32_t b1 = (uint32_t)b >> 16;
    uint32_t low = a0 * b0;
    uint32_t middle = a1 * b0 + (low >> 16);
    uint32_t other = a0 * b1 + (middle & 0xFFFFu);
    uint32_t high = a1 * b1 + (middle >> 16) + (other >> 16);
    high += (uint32_t)a * (uint32_t)(b >> 32) + (uint32_t)(a >> 32) * (uint32_t)b;
    return (unsigned long long)high << 32 | (other << 16 | (low & 0xFFFFu));
}

static int transfer(int call, uint8_t *bytes, int size) {
    int done = 0;
    while (done < size) {
        int moved = sim(call, call == SIM_WRITE, (int)(uintptr_t)(bytes + done), size - done);
        if (moved <= 0) {
            return 0;
        }
        done += moved;
    }
    return 1;
}

int main(void) {
    while (transfer(SIM_READ, (uint8_t *)MODEL(input)(0), MODEL_INPUT_BYTES)) {
        int code = MODEL(run)();
        if (code != 0) {
            sim(SIM_EXIT, code, 0, 0);
        }
        transfer(SIM_WRITE, (uint8_t *)(uintptr_t)MODEL(output)(0), MODEL_OUTPUT_BYTES);
    }
    sim(SIM_EXIT, 0, 0, 0);
    return 0;
}

__asm(".section .text.entry, \"ax\"\n"
      ".global _start\n"
      "_start: j 1f\n"
      ".align 4\n"
      ".Lstack: .word stack_top\n"
      ".Lmain: .word main\n"
      "1: l32r a1, .Lstack\n"
      "l32r a0, .Lmain\n"
      "callx0 a0\n"
      ".text\n");
