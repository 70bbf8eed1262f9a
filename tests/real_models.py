"""The real models that shoal runs, by their files' stems: what tests over all of them go through."""

from __future__ import annotations

MODELS = (
    "mlperf_ad_int8",
    "mlperf_ic_int8",
    "mlperf_kws_int8",
    "mlperf_sww_int8",
    "mlperf_vww_int8",
    "mltk_audio_example_int8",
    "mltk_fingerprint_int8",
    "mltk_kws_mobilenetv2_int8",
    "mltk_kws_on_off_int8",
    "mltk_rock_paper_scissors",
    "tflm_add_int8",
    "tflm_hello_int8",
    "tflm_micro_speech_int8",
    "tflm_person_detect_int8",
)
