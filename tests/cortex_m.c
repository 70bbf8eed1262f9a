/* Lets a program that uses the standard library run on an emulated MPS2 board: its files are those of the emulator. */
#include <stdlib.h>

int main(void);
void initialise_monitor_handles(void);
extern char stack_top[];

static void fault(void) {
    abort();
}

static void reset(void) {
    initialise_monitor_handles();
    exit(main());
}

__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    (void (*)(void))stack_top, reset, fault, fault, fault, fault, fault,
};
