"""The suite that anybody can run, run on engines that are broken on purpose: each part of it must notice."""
