#ifndef FREERTOS_TASK_STUB_H
#define FREERTOS_TASK_STUB_H

#include <stddef.h>
#include <stdint.h>

typedef void *TaskHandle_t;

void vTaskDelay(TickType_t ticks);
uint8_t *pxTaskGetStackStart(TaskHandle_t task);

#endif
