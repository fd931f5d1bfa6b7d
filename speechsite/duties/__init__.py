"""What has to be done besides the jobs themselves: rows that say so, and who sees to them."""
